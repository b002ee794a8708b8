/** Work that is done again and again, and never twice at a time. */

export interface Periodic {
  /** No round begins any more; waits for the one that is under way. */
  close(): Promise<void>;
}

/** A round that takes longer than `everyMs` has the next ones left out; one that fails is told, and the next one comes. */
export function openPeriodic(everyMs: number, round: () => Promise<void>, onError: (error: Error) => void): Periodic {
  let running: Promise<void> | undefined;
  const run = () => {
    running ??= round()
      .catch(onError)
      .finally(() => {
        running = undefined;
      });
  };
  const timer = setInterval(run, everyMs);
  return {
    close: async () => {
      clearInterval(timer);
      await running;
    },
  };
}
