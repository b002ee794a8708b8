/** Ids of messages: UUIDs. */
import { createHash, randomUUID } from 'node:crypto';

/** A version 8 UUID (RFC 9562 5.8) that follows from the seed, or a random one. */
export function newId(seed?: string): string {
  if (seed === undefined) return randomUUID();
  const hex = createHash('sha256').update(seed).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
