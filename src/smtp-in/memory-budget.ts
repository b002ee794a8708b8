/** Limits the bytes of messages that are in memory at a time. */
export class MemoryBudget {
  readonly #max: () => number;
  #used = 0;

  constructor(max: () => number) {
    this.#max = max;
  }

  has(bytes: number): boolean {
    return this.#used + bytes <= this.#max();
  }

  take(bytes: number): boolean {
    if (!this.has(bytes)) return false;
    this.#used += bytes;
    return true;
  }

  give(bytes: number): void {
    this.#used -= bytes;
  }
}
