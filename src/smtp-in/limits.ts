/** The limits of clients: connections, memory and time. */

export interface SmtpInLimits {
  readonly connections: number;
  readonly connectionsPerClient: number;
  /** Bytes of messages in progress, of all clients together; less on a small machine, see below. */
  readonly receivingBytes: number;
  /** Replies of one connection between two accepted messages: enough for all recipients. */
  readonly replies: number;
  readonly repliesBeforeLogin: number;
  /** Refusals (5xx) of one connection between two accepted messages. */
  readonly errors: number;
  /** From the connection to the greeting. A client that talks before it is not a mail program. */
  readonly greetingMs: number;
  /** The delay of the reply to a wrong login. */
  readonly wrongLoginDelayMs: number;
  /** From the connection to the login, TLS included. */
  readonly loginMs: number;
  /** Without a byte from the client: RFC 5321 4.5.3.2.7 requires 5 minutes. */
  readonly idleMs: number;
  /** For one message from DATA to its end: 35 MB need 0.5 Mbit/s. */
  readonly dataMs: number;
  readonly sessionMs: number;
  /** For messages in progress when the server closes. */
  readonly closeMs: number;
  /** How often the certificate's files are checked. */
  readonly certificateLookMs: number;
}

/** The name that clients see: the host's own name stays private. */
export const SERVER_NAME = 'relay365';

const MEGABYTE = 1024 ** 2;

export const LIMITS: SmtpInLimits = {
  connections: 500,
  connectionsPerClient: 100,
  receivingBytes: 256 * MEGABYTE,
  replies: 1_200,
  repliesBeforeLogin: 30,
  errors: 20,
  greetingMs: 100,
  wrongLoginDelayMs: 1_000,
  loginMs: 60_000,
  idleMs: 300_000,
  dataMs: 600_000,
  sessionMs: 3_600_000,
  closeMs: 10_000,
  certificateLookMs: 10_000,
};

/** A message takes about three times its size until Redis has it, and everything else needs memory too. */
const RECEIVING_SHARE = 1 / 8;

/** The bytes of messages that may be in progress at a time with this memory: always enough for one of the largest. */
export function receivingBytesFor(memoryBytes: number, mostBytes: number, sizeBytesMax: number): number {
  return Math.min(mostBytes, Math.max(sizeBytesMax, memoryBytes * RECEIVING_SHARE));
}
