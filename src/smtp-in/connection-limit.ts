import type { SmtpInLimits } from './limits.ts';

/** Limits open connections, in all and by client: an IPv4 address, or the network of an IPv6 one. */
export class ConnectionLimit {
  readonly #max: number;
  readonly #perClientMax: number;
  readonly #byClient = new Map<string, number>();
  #all = 0;

  constructor({ connections, connectionsPerClient }: Pick<SmtpInLimits, 'connections' | 'connectionsPerClient'>) {
    this.#max = connections;
    this.#perClientMax = connectionsPerClient;
  }

  /** Call the result once to release the connection; undefined when the limit is reached. */
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
