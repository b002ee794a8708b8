/**
 * How many wrong keys an address may show in a minute. Beyond it no key from there is looked at, so that none can be
 * guessed faster; but one that was right from there before is, so that a client is not shut out by somebody who guesses
 * behind the same proxy.
 */

export type KeyVerdict =
  | { readonly kind: 'right' }
  /** `isLast`: the next one will not be looked at. */
  | { readonly kind: 'wrong'; readonly isLast: boolean }
  | { readonly kind: 'blocked'; readonly seconds: number };

/** Judges a key that came from this address: the name of the key that it is, or undefined for none. */
export type KeyGuard = (address: string, keyName: string | undefined) => KeyVerdict;

export const WRONG_KEYS_MAX = 20;
const WINDOW_MS = 60_000;
/** Beyond it the address that was there first is forgotten: an attacker must not fill the memory with them. */
const ADDRESSES_MAX = 10_000;

interface Window {
  wrong: number;
  readonly endsAt: number;
}

/** `now` is `performance.now`, whose time does not jump. */
export function makeKeyGuard(now: () => number): KeyGuard {
  const windows = new Map<string, Window>();
  const seen = new Map<string, Set<string>>();
  return (address, keyName) => {
    const place = networkOf(address);
    const names = seen.get(place);
    if (keyName !== undefined && names?.has(keyName)) return { kind: 'right' };
    const old = windows.get(place);
    const window = old && old.endsAt > now() ? old : { wrong: 0, endsAt: now() + WINDOW_MS };
    if (window.wrong >= WRONG_KEYS_MAX) return { kind: 'blocked', seconds: Math.ceil((window.endsAt - now()) / 1_000) };
    if (keyName !== undefined) {
      keep(seen, place, (names ?? new Set()).add(keyName));
      return { kind: 'right' };
    }
    window.wrong += 1;
    keep(windows, place, window);
    return { kind: 'wrong', isLast: window.wrong === WRONG_KEYS_MAX };
  };
}

function keep<T>(map: Map<string, T>, place: string, value: T): void {
  map.delete(place);
  map.set(place, value);
  const [first] = map.keys();
  if (map.size > ADDRESSES_MAX && first !== undefined) map.delete(first);
}

/** Whoever has one IPv6 address has 2^64 of them: the network counts, the first four groups. */
export function networkOf(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  if (!address.includes(':')) return address;
  const [head = '', tail] = address.toLowerCase().split('::');
  const [left, right] = [groupsOf(head), groupsOf(tail ?? '')];
  const zeros = tail === undefined ? [] : new Array<string>(Math.max(0, 8 - left.length - right.length)).fill('0');
  return [...left, ...zeros, ...right].slice(0, 4).join(':');
}

function groupsOf(text: string): string[] {
  return text.split(':').filter(Boolean);
}
