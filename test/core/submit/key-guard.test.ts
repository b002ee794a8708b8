import { describe, expect, test } from 'vitest';
import { makeKeyGuard, networkOf, WRONG_KEYS_MAX } from '../../../src/core/submit/key-guard.ts';

function openGuard() {
  const clock = { now: 0 };
  const guard = makeKeyGuard(() => clock.now);
  const guess = (address: string, times: number) => {
    for (let n = 0; n < times; n += 1) guard(address, undefined);
  };
  return { guard, guess, clock };
}

describe('an address that guesses', () => {
  test('is not listened to until the minute is over, however it goes on', () => {
    const { guard, guess, clock } = openGuard();
    guess('192.0.2.1', WRONG_KEYS_MAX - 1);
    expect(guard('192.0.2.1', undefined)).toEqual({ kind: 'wrong', isLast: true });
    clock.now = 30_000;
    guess('192.0.2.1', 1_000);
    expect(guard('192.0.2.1', undefined)).toEqual({ kind: 'blocked', seconds: 30 });
    expect(guard('192.0.2.1', 'shop')).toEqual({ kind: 'blocked', seconds: 30 });
    clock.now = 60_000;
    expect(guard('192.0.2.1', 'shop')).toEqual({ kind: 'right' });
    expect(guard('192.0.2.1', undefined)).toEqual({ kind: 'wrong', isLast: false });
  });

  test('shuts out nobody else: neither another address nor who was there before', () => {
    const { guard, guess } = openGuard();
    guard('192.0.2.1', 'shop');
    guess('192.0.2.1', 100);
    expect(guard('192.0.2.1', 'shop')).toEqual({ kind: 'right' });
    expect(guard('192.0.2.1', 'crm')).toMatchObject({ kind: 'blocked' });
    expect(guard('192.0.2.2', 'crm')).toEqual({ kind: 'right' });
  });

  test('is not forgotten for a million others', () => {
    const { guard, guess } = openGuard();
    guess('192.0.2.1', WRONG_KEYS_MAX);
    for (let n = 0; n < 9_000; n += 1) guess(`10.0.${n >> 8}.${n & 255}`, 1);
    expect(guard('192.0.2.1', undefined)).toMatchObject({ kind: 'blocked' });
  });
});

describe('the network of an address', () => {
  test.each([
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
    ['2001:DB8:1:2::9', '2001:db8:1:2'],
    ['2001:db8::1', '2001:db8:0:0'],
    ['::1', '0:0:0:0'],
    ['::', '0:0:0:0'],
    ['1::', '1:0:0:0'],
    ['', ''],
  ])('%j is %j', (address, network) => {
    expect(networkOf(address)).toBe(network);
  });
});
