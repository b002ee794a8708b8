/**
 * API keys: who may use relay365, by HTTP and by SMTP. A secret is compared by its SHA-256 in constant time with all keys, so
 * that neither a key nor its position in the list can be measured.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { Client } from './client.ts';

/** What a key may do: send messages, read its own messages, administer everything. */
export type Scope = 'send' | 'read' | 'admin';

export interface ApiKey extends Client {
  /** The SHA-256 of the secret. */
  readonly hash: Buffer;
  readonly scopes: readonly Scope[];
  /** The key is refused from then on. */
  readonly expires?: Date;
  /** Undefined: no limit. */
  readonly requestsPerMinute?: number;
}

/** The client when no key is configured: only this machine is served then. */
export const ANYONE = { name: 'anonymous', scopes: ['send', 'read', 'admin'] as const };

/** The key with this secret, and with this name when one is given; undefined when no such key exists or it has expired. */
export function findKey(keys: readonly ApiKey[], secret: string, name?: string): ApiKey | undefined {
  const hash = createHash('sha256').update(secret).digest();
  // Not `find`: it would stop at the first match, and its time would reveal the position.
  const found = keys.filter((candidate) => timingSafeEqual(candidate.hash, hash));
  return found.find((key) => (name === undefined || key.name === name) && !hasExpired(key));
}

export function hasExpired({ expires }: ApiKey): boolean {
  return expires !== undefined && expires <= new Date();
}
