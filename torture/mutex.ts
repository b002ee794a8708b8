/** Runs actions one after the other, in the order of the calls. */

export type Mutex = <T>(action: () => Promise<T>) => Promise<T>;

export function makeMutex(): Mutex {
  let last: Promise<unknown> = Promise.resolve();
  return (action) => {
    const result = last.then(action);
    last = result.catch(() => undefined);
    return result;
  };
}
