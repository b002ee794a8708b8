/** Something in the configuration that is wrong or missing: where, and what would be right. */
export interface Fault {
  /** A variable, or a file's line and field: `relay365.yaml:12 mailboxes[0].address`. */
  readonly where: string;
  readonly message: string;
}
