/** The port to Exchange: what one attempt hands over. An adapter such as src/smtp implements it. */
import type { Outcome } from '../replies/outcome.ts';

/** What one attempt sends. */
export interface DeliveryRequest {
  readonly from: string;
  readonly recipients: readonly string[];
  /** The composed message, RFC 5322, CRLF line ends. */
  readonly bytes: Uint8Array;
  /** Called after the last byte and before the final dot. Once it resolves, a lost connection means `unknown`. */
  readonly markFinalDot: () => Promise<void>;
  /** Aborted when the message must no longer be sent. After the final dot the reply is awaited anyway. */
  readonly signal: AbortSignal;
}

/** Hands one message to Exchange through a mailbox. Failures of Exchange, Entra and the network are outcomes; it does not throw for them. */
export type Deliver = (request: DeliveryRequest) => Promise<Outcome>;
