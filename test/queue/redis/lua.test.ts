/** Scripts from `.lua` files: their keys and arguments by name, and what they include. */
import { describe, expect } from 'vitest';
import { defineLua, expand, luaScript } from '../../../src/queue/redis/lua.ts';
import { test } from '../../helpers/redis.ts';

type Pair = Readonly<{ left: string; right: number }>;
const SCRIPTS = {
  describe: luaScript<
    { first: string; others: readonly string[] },
    { greeting: string; pairs: readonly Pair[] },
    string[]
  >(new URL('describe.lua', import.meta.url), { constants: { LIMIT: 5, SIGN: '"=' } }),
};
const CALL = {
  keys: { first: 'a', others: ['b', 'c'] },
  args: {
    greeting: 'hello',
    pairs: [
      { left: 'x', right: 1 },
      { right: 2, left: 'y' },
    ],
  },
};

describe('a script', () => {
  test('finds keys, arguments, lists and constants by their names', async ({ client }) => {
    const { describe: run } = defineLua(client, SCRIPTS);
    expect(await run(CALL)).toEqual(['hello', 'a', 'b,c', 'x"=1', 'y"=2', '5']);
  });

  test('takes empty lists', async ({ client }) => {
    const { describe: run } = defineLua(client, SCRIPTS);
    const answer = await run({ keys: { first: 'a', others: [] }, args: { greeting: '', pairs: [] } });
    expect(answer).toEqual(['', 'a', '', '5']);
  });

  test.for([
    ['is missing', { greeting: 'hello' }],
    ['is of another name', { greeting: 'hello', couples: [] }],
    ['is one too many', { ...CALL.args, more: 1 }],
    ['is missing in a list', { greeting: 'hello', pairs: [{ left: 'x' }] }],
  ] as const)('refuses a call in which an argument %s', ([_what, args], { client }) => {
    const { describe: run } = defineLua(client, SCRIPTS);
    expect(() => run({ ...CALL, args: args as never })).toThrow('describe takes greeting, pairs');
  });

  test('includes each function once, after what it needs itself', () => {
    const { lua } = expand({ file: new URL('../../../src/queue/work/complete.lua', import.meta.url), constants: {} });
    const functions = [...lua.matchAll(/^local function (\w+)/gm)].map(([, name]) => name);
    expect(functions).toEqual([...new Set(functions)]);
    expect(functions.indexOf('moveTo')).toBeLessThan(functions.indexOf('finishMessage'));
  });
});
