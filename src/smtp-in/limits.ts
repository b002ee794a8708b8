/** What clients may take of this server: connections, memory and time. Each limit has its name here. */

export interface SmtpInLimits {
  readonly connections: number;
  readonly connectionsPerClient: number;
  /** Bytes of mails that are being received, of all clients together; a small machine has less, see below. */
  readonly receivingBytes: number;
  /** Replies of one connection between two accepted mails: enough for all recipients, not for play. */
  readonly replies: number;
  readonly repliesBeforeLogin: number;
  /** Refusals (5xx) of one connection between two accepted mails. */
  readonly errors: number;
  /** From the connection to the greeting: who talks before it is no mail program. */
  readonly greetingMs: number;
  /** How long the answer to a wrong login takes. */
  readonly wrongLoginDelayMs: number;
  /** From the connection to the login, TLS included. */
  readonly loginMs: number;
  /** Without a byte from the client: RFC 5321 4.5.3.2.7 asks for 5 minutes. */
  readonly idleMs: number;
  /** For one mail from DATA to its end: 35 MB need a line of 0.5 Mbit/s. */
  readonly dataMs: number;
  readonly sessionMs: number;
  /** For mails that are being received when the server closes. */
  readonly closeMs: number;
  /** How often the files of the certificate are looked at. */
  readonly certificateLookMs: number;
}

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

/** A mail takes some three times its size until Redis has it, and there must be room for all else. */
const RECEIVING_SHARE = 1 / 8;

/** How many bytes of mails may be received at a time, for a process with this memory: one of the largest always. */
export function receivingBytesFor(memoryBytes: number, mostBytes: number, sizeBytesMax: number): number {
  return Math.min(mostBytes, Math.max(sizeBytesMax, memoryBytes * RECEIVING_SHARE));
}

/** Counts what is open, in all and by client: an IPv4 address, or the network of an IPv6 one. */
export class Places {
  readonly #max: number;
  readonly #perClientMax: number;
  readonly #byClient = new Map<string, number>();
  #all = 0;

  constructor({ connections, connectionsPerClient }: Pick<SmtpInLimits, 'connections' | 'connectionsPerClient'>) {
    this.#max = connections;
    this.#perClientMax = connectionsPerClient;
  }

  /** Gives the place back when called, once; undefined when there is none. */
  take(client: string): (() => void) | undefined {
    const own = this.#byClient.get(client) ?? 0;
    if (this.#all >= this.#max || own >= this.#perClientMax) return undefined;
    this.#add(client, 1);
    let held = true;
    return () => {
      if (held) this.#add(client, -1);
      held = false;
    };
  }

  #add(client: string, by: number): void {
    this.#all += by;
    const own = (this.#byClient.get(client) ?? 0) + by;
    if (own > 0) this.#byClient.set(client, own);
    else this.#byClient.delete(client);
  }
}

/** Bytes that are in memory, never more than the most. */
export class MemoryBudget {
  readonly #max: () => number;
  #used = 0;

  constructor(max: () => number) {
    this.#max = max;
  }

  has(bytes: number): boolean {
    return this.#used + bytes <= this.#max();
  }

  take(bytes: number): boolean {
    if (!this.has(bytes)) return false;
    this.#used += bytes;
    return true;
  }

  give(bytes: number): void {
    this.#used -= bytes;
  }
}
