/** Repeatable random numbers: the same seed gives the same numbers on every machine. */

export interface Random {
  /** From `min` up to, and not including, `max`. */
  between(min: number, max: number): number;
  /** A whole number from `min` to `max`, both included. */
  whole(min: number, max: number): number;
  pick<T>(items: readonly T[]): T;
  shuffle<T>(items: readonly T[]): T[];
  /** An independent source: using it does not change the numbers of the others. */
  fork(label: number): Random;
}

export function makeRandom(seed: number): Random {
  const next = mulberry32(seed);
  const between = (min: number, max: number) => min + next() * (max - min);
  const whole = (min: number, max: number) => Math.floor(between(min, max + 1));
  const pick = <T>(items: readonly T[]): T => {
    if (items.length === 0) throw new RangeError('There is nothing to pick from.');
    return items[whole(0, items.length - 1)] as T;
  };
  return {
    between,
    whole,
    pick,
    shuffle: (items) => {
      const rest = [...items];
      return items.map(() => rest.splice(whole(0, rest.length - 1), 1)[0] as (typeof items)[number]);
    },
    fork: (label) => makeRandom(seed ^ Math.imul(label + 1, 0x9e3779b1)),
  };
}

/** Tommy Ettinger's generator of 32 bits of state: enough for a schedule, and five lines long. */
function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
