/** The requests that a key may make in a minute: a request over HTTP, or a message over SMTP. */

/** Counts one more request of this key, in all processes together. Rejects when Redis cannot be asked. */
export type CountRequest = (client: string) => Promise<{ readonly count: number; readonly leftMs: number }>;

export interface LimitedKey {
  readonly name: string;
  /** Undefined: as many as it likes. */
  readonly requestsPerMinute?: number;
}

export interface RequestRate {
  readonly limit: number;
  /** How many more it may make until the minute ends. */
  readonly left: number;
  readonly seconds: number;
  /** Set when this one is too many: what there is too much of, for a person. */
  readonly excess?: string;
}

/** Counts one request. Undefined for a key without a limit, and without Redis: what comes next tells of that. */
export async function countAgainstLimit(
  { name, requestsPerMinute: limit }: LimitedKey,
  countRequest: CountRequest,
): Promise<RequestRate | undefined> {
  if (limit === undefined) return undefined;
  const used = await countRequest(name).catch(() => undefined);
  if (!used) return undefined;
  const seconds = Math.max(1, Math.ceil(used.leftMs / 1_000));
  const excess = `The key ${name} may make ${limit} requests a minute; there is room again in ${seconds} s.`;
  return { limit, left: Math.max(0, limit - used.count), seconds, ...(used.count > limit && { excess }) };
}
