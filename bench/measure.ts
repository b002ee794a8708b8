/** What a part of the benchmark answers with, and how two contestants are compared: in turns, by the median of pairs. */

export interface Bench {
  /** How many pairs are measured; one more comes before them and does not count. */
  readonly rounds: number;
  /** Everything at the full size, however long it takes. */
  readonly full: boolean;
  /** Where relay365's processes leave their CPU profiles, if they shall. */
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
  /** What `ours` is compared with; without it the figure stands alone. */
  readonly against?: { readonly name: string; readonly figure: Spread };
  /** Ours in relation to theirs, pair by pair. */
  readonly comparison?: { readonly by: By; readonly value: Spread };
  readonly goal?: Goal;
  readonly note?: string;
}

/** The median of all rounds, the least and the most. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** `ratio`: ours ÷ theirs. `difference`: ours − theirs. */
export type By = 'ratio' | 'difference';

/** A bound on the comparison, or on the figure where there is nothing to compare with. */
export type Goal = { readonly atLeast: number } | { readonly atMost: number };

/**
 * Measures the contestants in turns, so that whatever else the machine does meets all of them, each round in another
 * order. Answers with each contestant's results, round by round.
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
