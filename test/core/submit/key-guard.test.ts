import { describe, expect, test } from 'vitest';
import { makeKeyGuard, WRONG_KEYS_MAX, type WrongKeys } from '../../../src/core/submit/key-guard.ts';

/** Counts like the store, in a window that never ends by itself. */
function openGuard() {
  const counts = new Map<string, number>();
  let looks = 0;
  const wrongKeys: WrongKeys = {
    add: async (network) => {
      const wrong = (counts.get(network) ?? 0) + 1;
      counts.set(network, wrong);
      return { wrong, leftMs: 29_500 };
    },
    count: async (network) => {
      looks += 1;
      return { wrong: counts.get(network) ?? 0, leftMs: 29_500 };
    },
  };
  const guard = makeKeyGuard(wrongKeys);
  const guess = async (address: string, times: number) => {
    for (let n = 0; n < times; n += 1) await guard(address, undefined);
  };
  return { guard, guess, endWindow: () => counts.clear(), looks: () => looks };
}

describe('a network that guesses', () => {
  test('is blocked until its window ends', async () => {
    const { guard, guess, endWindow } = openGuard();
    await guess('192.0.2.1', WRONG_KEYS_MAX - 1);
    expect(await guard('192.0.2.1', undefined)).toEqual({ kind: 'wrong', isLast: true });
    await guess('192.0.2.1', 1_000);
    expect(await guard('192.0.2.1', undefined)).toEqual({ kind: 'blocked', seconds: 30 });
    expect(await guard('192.0.2.1', 'shop')).toEqual({ kind: 'blocked', seconds: 30 });
    endWindow();
    expect(await guard('192.0.2.1', 'shop')).toEqual({ kind: 'right' });
    expect(await guard('192.0.2.1', undefined)).toEqual({ kind: 'wrong', isLast: false });
  });

  test('blocks no other network, and no key that was right from its own before', async () => {
    const { guard, guess } = openGuard();
    await guard('2001:db8::1', 'shop');
    await guess('2001:db8::2', 100);
    expect(await guard('2001:db8::3', 'shop')).toEqual({ kind: 'right' });
    expect(await guard('2001:db8::3', 'crm')).toMatchObject({ kind: 'blocked' });
    expect(await guard('192.0.2.2', 'crm')).toEqual({ kind: 'right' });
  });
});

test('a right key costs one look at the count, and later ones from its network cost none', async () => {
  const { guard, looks } = openGuard();
  for (let n = 0; n < 100; n += 1) await guard('192.0.2.1', 'shop');
  expect(looks()).toBe(1);
});
