/** Writes that come at the same time and become one. */
import { describe, expect, test } from 'vitest';
import { makeBatcher } from '../../src/lib/async.ts';

function openBatcher({ bytesMax = 100, itemsMax = 10, fail = false } = {}) {
  const writes: (readonly string[])[] = [];
  const write = async (items: readonly string[]) => {
    writes.push(items);
    if (fail) throw new Error('Redis is away.');
    return items.map((item) => item.toUpperCase());
  };
  return { writes, batch: makeBatcher({ write, bytesOf: ({ length }) => length, bytesMax, itemsMax }) };
}

describe('writes of one turn', () => {
  test('are one, and each caller gets the results of its own', async () => {
    const { writes, batch } = openBatcher();
    expect(await Promise.all([batch(['a']), batch(['b', 'c']), batch([]), batch(['d'])])).toEqual([
      ['A'],
      ['B', 'C'],
      [],
      ['D'],
    ]);
    expect(writes).toEqual([['a', 'b', 'c', 'd']]);
  });

  test('are several when they are too many, or too large', async () => {
    const few = openBatcher({ itemsMax: 2 });
    await Promise.all(['a', 'b', 'c'].map((item) => few.batch([item])));
    expect(few.writes).toEqual([['a', 'b'], ['c']]);
    const small = openBatcher({ bytesMax: 3 });
    await Promise.all(['aa', 'bb', 'c'].map((item) => small.batch([item])));
    expect(small.writes).toEqual([['aa'], ['bb', 'c']]);
  });

  test('hold what one caller has together, however large it is', async () => {
    const { writes, batch } = openBatcher({ itemsMax: 1, bytesMax: 1 });
    await batch(['aa', 'bb']);
    expect(writes).toEqual([['aa', 'bb']]);
  });

  test('fail together', async () => {
    const { batch } = openBatcher({ fail: true });
    const results = await Promise.allSettled([batch(['a']), batch(['b'])]);
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  });
});

test('a later write does not wait for an earlier one to be answered', async () => {
  const { promise: answer, resolve } = Promise.withResolvers<readonly string[]>();
  const write = (items: readonly string[]) => (items.includes('slow') ? answer : Promise.resolve(items));
  const batch = makeBatcher({ write, bytesOf: () => 1, bytesMax: 9, itemsMax: 9 });
  const slow = batch(['slow']);
  await new Promise((turn) => setImmediate(turn));
  expect(await batch(['fast'])).toEqual(['fast']);
  resolve(['late']);
  expect(await slow).toEqual(['late']);
});
