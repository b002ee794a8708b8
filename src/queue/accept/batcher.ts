/** Makes one write of many: what is asked for within one turn of the event loop goes to Redis together. */

export interface GatherOptions<Item, Result> {
  /** Its results are in the items' order. */
  readonly write: (items: readonly Item[]) => Promise<readonly Result[]>;
  readonly bytesOf: (item: Item) => number;
  /** A write of several callers holds no more than so many bytes and items. */
  readonly bytesMax: number;
  readonly itemsMax: number;
}

/** What is written together, by however many callers. */
interface Lot<Item, Result> {
  readonly items: Item[];
  bytes: number;
  readonly results: Promise<readonly Result[]>;
}

/** Resolves to the results of the caller's own items. */
export function makeBatcher<Item, Result>(
  options: GatherOptions<Item, Result>,
): (items: readonly Item[]) => Promise<readonly Result[]> {
  const { write, bytesOf, bytesMax, itemsMax } = options;
  let open: Lot<Item, Result> | undefined;
  const openLot = (): Lot<Item, Result> => {
    const { promise: results, resolve } = Promise.withResolvers<readonly Result[]>();
    const lot: Lot<Item, Result> = { items: [], bytes: 0, results };
    setImmediate(() => {
      if (open === lot) open = undefined;
      resolve(write(lot.items));
    });
    return lot;
  };
  return async (items) => {
    const bytes = items.reduce((sum, item) => sum + bytesOf(item), 0);
    const fits = open && open.items.length + items.length <= itemsMax && open.bytes + bytes <= bytesMax;
    if (!open || !fits) open = openLot();
    const from = open.items.length;
    open.items.push(...items);
    open.bytes += bytes;
    return (await open.results).slice(from, from + items.length);
  };
}
