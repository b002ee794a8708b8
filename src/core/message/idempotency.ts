/** How a client marks repeats of a request, which count once: draft-ietf-httpapi-idempotency-key-header-07. */
export interface Idempotency {
  /** The client's own. */
  readonly key: string;
  /** The same for the same request. */
  readonly digest: string;
  /** The position of the message in a batch. */
  readonly index?: number;
}
