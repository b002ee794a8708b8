/** What this folder needs of a log. */
type Write = (fields: object, words: string) => void;

export interface Log {
  readonly info: Write;
  readonly warn: Write;
  readonly error: Write;
  readonly debug: Write;
}
