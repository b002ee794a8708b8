/** One clock for all processes of this machine. */

/** Milliseconds on the machine's monotonic clock, so that readings of two processes can be subtracted. */
export function nowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
