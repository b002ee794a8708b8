/** The rows that a part of the benchmark returns. Two contestants run in turns and are compared by the median of pairs. */

export interface Bench {
  /** How many pairs are measured. One more runs first and does not count. */
  readonly rounds: number;
  /** Measures at full size, however long it takes. */
  readonly full: boolean;
  /** Where relay365's processes write their CPU profiles. Default: they write none. */
  readonly profileDir?: string;
  /** Says what is being measured now. */
  readonly say: (text: string) => void;
}

export type Part = (bench: Bench) => Promise<readonly Row[]>;

/** One line of the table. */
export interface Row {
  readonly measure: string;
  readonly unit: string;
  readonly ours: Spread;
  /** What `ours` is compared with. Without it only our figure is shown. */
  readonly against?: { readonly name: string; readonly figure: Spread };
  /** How ours compares with theirs, pair by pair. */
  readonly comparison?: { readonly by: By; readonly value: Spread };
  readonly goal?: Goal;
  readonly note?: string;
}

/** The median, the minimum and the maximum of all rounds. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** `ratio`: ours ÷ theirs. `difference`: ours − theirs. */
export type By = 'ratio' | 'difference';

/** A limit for the comparison, or for our figure if there is nothing to compare it with. */
export type Goal = { readonly atLeast: number } | { readonly atMost: number };

/**
 * Measures the contestants in turns, so that other load on the machine affects all of them, and in a different order in
 * each round. Resolves with each contestant's results, round by round.
 */
export async function interleave<T>(rounds: number, contestants: readonly (() => Promise<T>)[]): Promise<T[][]> {
  const results: T[][] = contestants.map(() => []);
  for (let round = 0; round <= rounds; round += 1) {
    for (let turn = 0; turn < contestants.length; turn += 1) {
      const who = (round + turn) % contestants.length;
      const result = await (contestants[who] as () => Promise<T>)();
      const isWarmUp = round === 0;
      if (!isWarmUp) results[who]?.push(result);
    }
  }
  return results;
}

/** Both contestants' figures and, pair by pair, how they compare. */
export function compare(
  name: string,
  ours: readonly number[],
  theirs: readonly number[],
  by: By = 'ratio',
): Required<Pick<Row, 'ours' | 'against' | 'comparison'>> {
  const value = ours.map((mine, round) => (by === 'ratio' ? mine / at(theirs, round) : mine - at(theirs, round)));
  return {
    ours: spread(ours),
    against: { name, figure: spread(theirs) },
    comparison: { by, value: spread(value) },
  };
}

export function spread(figures: readonly number[]): Spread {
  const sorted = [...figures].sort((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  const median = (at(sorted, Math.floor(middle)) + at(sorted, Math.ceil(middle))) / 2;
  return { median, min: at(sorted, 0), max: at(sorted, sorted.length - 1) };
}

/** Undefined when the row has no goal. */
export function isMet({ ours, comparison, goal }: Row): boolean | undefined {
  const { median } = comparison?.value ?? ours;
  if (!goal) return undefined;
  return 'atLeast' in goal ? median >= goal.atLeast : median <= goal.atMost;
}

/** The value below which `share` (0 to 1) of the figures are. */
export function quantile(figures: readonly number[], share: number): number {
  const sorted = Float64Array.from(figures).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}

function at(figures: readonly number[], index: number): number {
  return figures[index] ?? Number.NaN;
}
