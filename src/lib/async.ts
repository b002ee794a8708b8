/** Helpers for promises and time: a timeout, periodic work, a semaphore, and a batcher. */

/** There was no answer in time. */
export class TimeoutError extends Error {
  override readonly name = 'TimeoutError';
}

/** Settles as the promise does, or rejects with a TimeoutError after `timeoutMs`. The work itself goes on, and its late result is ignored. */
export async function withTimeout<T>(promise: Promise<T>, timeoutMs: number): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new TimeoutError(`There was no answer within ${timeoutMs} ms.`)), timeoutMs);
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Work that is done again and again, and never twice at a time. */
export interface Periodic {
  /** Does the work now, unless it is being done. */
  run(): void;
  /** Stops it, and waits for the work in progress. */
  close(): Promise<void>;
}

/** Work that takes longer than `everyMs` leaves out the next times; after a failure the next time comes as usual. */
export function openPeriodic(everyMs: number, work: () => Promise<void>, onError: (error: Error) => void): Periodic {
  let running: Promise<void> | undefined;
  const run = () => {
    running ??= work()
      .catch(onError)
      .finally(() => {
        running = undefined;
      });
  };
  const timer = setInterval(run, everyMs);
  return {
    run,
    close: async () => {
      clearInterval(timer);
      await running;
    },
  };
}

/** Lets at most `limit` through at a time, first come, first served. The limit may change at any moment. */
export interface Semaphore {
  limit: number;
  /** Slots in use. */
  readonly taken: number;
  /** Waits for a slot; undefined when the limit is 0, so that there is nothing to wait for. */
  acquire(): Promise<Slot | undefined>;
  release(): void;
  /** Revokes all slots at once: their holders are notified, and still have to release them. */
  revoke(): void;
}

/** Aborted when the slot is revoked. */
export type Slot = AbortSignal;

export function makeSemaphore(): Semaphore {
  const waiting: ((slot?: Slot) => void)[] = [];
  let slots = new AbortController();
  let limit = 0;
  let taken = 0;
  const grant = () => {
    if (limit === 0) for (const resolve of waiting.splice(0)) resolve();
    while (taken < limit && waiting.length > 0) {
      taken += 1;
      waiting.shift()?.(slots.signal);
    }
  };
  return {
    get limit() {
      return limit;
    },
    set limit(value) {
      limit = value;
      grant();
    },
    get taken() {
      return taken;
    },
    acquire: () =>
      new Promise((resolve) => {
        waiting.push(resolve);
        grant();
      }),
    release: () => {
      taken -= 1;
      grant();
    },
    revoke: () => {
      limit = 0;
      grant();
      slots.abort();
      slots = new AbortController();
    },
  };
}

export interface BatcherOptions<Item, Result> {
  /** Its results are in the order of the items. */
  readonly write: (items: readonly Item[]) => Promise<readonly Result[]>;
  readonly bytesOf: (item: Item) => number;
  /** A write of several callers holds no more bytes and items than this. */
  readonly bytesMax: number;
  readonly itemsMax: number;
}

/** What is written together. */
interface Batch<Item, Result> {
  readonly items: Item[];
  bytes: number;
  readonly results: Promise<readonly Result[]>;
}

/**
 * Joins what many callers write within one turn of the event loop into one write. What comes back resolves to the results
 * of the caller's own items.
 */
export function makeBatcher<Item, Result>(
  options: BatcherOptions<Item, Result>,
): (items: readonly Item[]) => Promise<readonly Result[]> {
  const { write, bytesOf, bytesMax, itemsMax } = options;
  let open: Batch<Item, Result> | undefined;
  const openBatch = (): Batch<Item, Result> => {
    const { promise: results, resolve } = Promise.withResolvers<readonly Result[]>();
    const batch: Batch<Item, Result> = { items: [], bytes: 0, results };
    setImmediate(() => {
      if (open === batch) open = undefined;
      resolve(write(batch.items));
    });
    return batch;
  };
  return async (items) => {
    const bytes = items.reduce((sum, item) => sum + bytesOf(item), 0);
    const fits = open && open.items.length + items.length <= itemsMax && open.bytes + bytes <= bytesMax;
    if (!open || !fits) open = openBatch();
    const from = open.items.length;
    open.items.push(...items);
    open.bytes += bytes;
    return (await open.results).slice(from, from + items.length);
  };
}
