/** Lets no more than `limit` through at a time, first come, first served; the limit may change at any moment. */

export interface Semaphore {
  limit: number;
  readonly taken: number;
  /** Waits for a place; undefined when there are none to wait for (the limit is 0). */
  enter(): Promise<Place | undefined>;
  leave(): void;
  /** Takes all places away at once: whoever has one hears of it, and has yet to leave. */
  lose(): void;
}

/** Aborted when the place is lost. */
export type Place = AbortSignal;

export function makeSemaphore(): Semaphore {
  const waiting: ((place?: Place) => void)[] = [];
  let places = new AbortController();
  let limit = 0;
  let taken = 0;
  const admit = () => {
    if (limit === 0) for (const resolve of waiting.splice(0)) resolve();
    while (taken < limit && waiting.length > 0) {
      taken += 1;
      waiting.shift()?.(places.signal);
    }
  };
  return {
    get limit() {
      return limit;
    },
    set limit(value) {
      limit = value;
      admit();
    },
    get taken() {
      return taken;
    },
    enter: () => {
      const { promise, resolve } = Promise.withResolvers<Place | undefined>();
      waiting.push(resolve);
      admit();
      return promise;
    },
    leave: () => {
      taken -= 1;
      admit();
    },
    lose: () => {
      limit = 0;
      admit();
      places.abort();
      places = new AbortController();
    },
  };
}
