/** Lets no more than `limit` through at a time, first come, first served; the limit may change at any moment. */

export interface Gate {
  limit: number;
  readonly taken: number;
  /** Waits for a place; false when there are none to wait for (the limit is 0). */
  enter(): Promise<boolean>;
  leave(): void;
}

export function makeGate(): Gate {
  const waiting: ((entered: boolean) => void)[] = [];
  let limit = 0;
  let taken = 0;
  const admit = () => {
    if (limit === 0) for (const resolve of waiting.splice(0)) resolve(false);
    while (taken < limit && waiting.length > 0) {
      taken += 1;
      waiting.shift()?.(true);
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
      const { promise, resolve } = Promise.withResolvers<boolean>();
      waiting.push(resolve);
      admit();
      return promise;
    },
    leave: () => {
      taken -= 1;
      admit();
    },
  };
}
