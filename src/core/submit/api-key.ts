/**
 * API keys: who may use relay365, whichever way they come in. A secret is compared by its SHA-256 in constant time with
 * all keys, so that neither a key nor its place in the list can be measured.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { Client } from './client.ts';

/** What a key may do: send messages, look at its own, and everything else. */
export type Scope = 'send' | 'read' | 'admin';

export interface ApiKey extends Client {
  /** The SHA-256 of the secret. */
  readonly hash: Buffer;
  readonly scopes: readonly Scope[];
  /** From then on it is refused. */
  readonly expires?: Date;
  /** Undefined: as many as it likes. */
  readonly requestsPerMinute?: number;
}

/** The client where no key is configured: this machine is its owner's. */
export const ANYONE = { name: 'anonymous', scopes: ['send', 'read', 'admin'] as const };

/** The key with this secret, and with this name where one is given; undefined when there is none, or it has expired. */
export function findKey(keys: readonly ApiKey[], secret: string, name?: string): ApiKey | undefined {
  const hash = createHash('sha256').update(secret).digest();
  // Not `find`: it would stop at the first match, and its time would tell the place.
  const found = keys.filter((candidate) => timingSafeEqual(candidate.hash, hash));
  return found.find((key) => (name === undefined || key.name === name) && !hasExpired(key));
}

export function hasExpired({ expires }: ApiKey): boolean {
  return expires !== undefined && expires <= new Date();
}

/** Whether the address is this machine's own: without keys, it alone is served. */
export function isLoopbackAddress(address: string): boolean {
  return address === '::1' || /^(::ffff:)?127\./.test(address);
}
