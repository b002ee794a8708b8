/**
 * Limits how fast API keys can be guessed. A network that showed too many wrong keys within a minute is blocked, for all
 * processes and doors together. A key that was right from there before still works, so that a client is not shut out by
 * someone who guesses behind the same proxy.
 */
import { networkOf } from '../../lib/ip.ts';

export type KeyVerdict =
  | { readonly kind: 'right' }
  /** `isLast`: the network is blocked from now on. */
  | { readonly kind: 'wrong'; readonly isLast: boolean }
  | { readonly kind: 'blocked'; readonly seconds: number };

/** What to do about a key that came from this address: the key's name, or undefined for a wrong key. */
export type KeyGuard = (address: string, keyName: string | undefined) => Promise<KeyVerdict>;

/** Counts wrong keys by network, in windows of a minute. */
export interface WrongKeys {
  /** Counts one more. */
  add(network: string): Promise<WrongKeyCount>;
  count(network: string): Promise<WrongKeyCount>;
}

export interface WrongKeyCount {
  readonly wrong: number;
  /** Until the window ends. */
  readonly leftMs: number;
}

export const WRONG_KEYS_MAX = 20;
export const WRONG_KEYS_WINDOW_MS = 60_000;
/** Beyond it the network that came first is forgotten: an attacker must not fill the memory. */
const NETWORKS_MAX = 10_000;

/** A key that was right from its network before costs nothing; the first one costs a look at the count. */
export function makeKeyGuard(wrongKeys: WrongKeys): KeyGuard {
  const seen = new Map<string, Set<string>>();
  return async (address, keyName) => {
    const network = networkOf(address);
    const names = seen.get(network);
    if (keyName === undefined) return verdictOf(await wrongKeys.add(network));
    if (names?.has(keyName)) return { kind: 'right' };
    const { wrong, leftMs } = await wrongKeys.count(network);
    if (wrong >= WRONG_KEYS_MAX) return blocked(leftMs);
    remember(seen, network, (names ?? new Set()).add(keyName));
    return { kind: 'right' };
  };
}

function verdictOf({ wrong, leftMs }: WrongKeyCount): KeyVerdict {
  return wrong > WRONG_KEYS_MAX ? blocked(leftMs) : { kind: 'wrong', isLast: wrong === WRONG_KEYS_MAX };
}

function blocked(leftMs: number): KeyVerdict {
  return { kind: 'blocked', seconds: Math.max(1, Math.ceil(leftMs / 1_000)) };
}

function remember(seen: Map<string, Set<string>>, network: string, names: Set<string>): void {
  seen.delete(network);
  seen.set(network, names);
  const [first] = seen.keys();
  if (seen.size > NETWORKS_MAX && first !== undefined) seen.delete(first);
}
