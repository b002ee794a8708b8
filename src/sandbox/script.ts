/** Rules that make a simulated service misbehave. They apply in order, each a number of times. */

export interface Countable {
  /** How often the rule applies. Default 1. `Infinity`: until it is removed. */
  readonly times?: number;
}

export class Script<Rule extends Countable> {
  #entries: { readonly rule: Rule; left: number }[] = [];

  /** Adds a rule after the others. The returned function removes it. */
  add(rule: Rule): () => void {
    const entry = { rule, left: rule.times ?? 1 };
    this.#entries.push(entry);
    return () => {
      this.#entries = this.#entries.filter((other) => other !== entry);
    };
  }

  /** The first rule that applies. It is counted as used once. */
  take(applies: (rule: Rule) => boolean): Rule | undefined {
    const entry = this.#entries.find(({ rule, left }) => left > 0 && applies(rule));
    if (!entry) return undefined;
    entry.left -= 1;
    if (entry.left <= 0) this.#entries = this.#entries.filter((other) => other !== entry);
    return entry.rule;
  }

  clear(): void {
    this.#entries = [];
  }
}

/** Waits. `Infinity` waits only for the signal. Ends early, without an error, when the signal aborts. */
export function pause(delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const timer = Number.isFinite(delayMs) ? setTimeout(resolve, delayMs) : undefined;
    signal.addEventListener(
      'abort',
      () => {
        clearTimeout(timer);
        resolve();
      },
      { once: true },
    );
  });
}
