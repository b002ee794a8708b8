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
    acquire: () => {
      const { promise, resolve } = Promise.withResolvers<Slot | undefined>();
      waiting.push(resolve);
      grant();
      return promise;
    },
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
