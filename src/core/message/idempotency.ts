/** How a client marks requests of which only one is to count: draft-ietf-httpapi-idempotency-key-header-07. */
export interface Idempotency {
  /** The client's own. */
  readonly key: string;
  /** The same for the same request. */
  readonly digest: string;
  /** The message's place in a request for several. */
  readonly index?: number;
}
