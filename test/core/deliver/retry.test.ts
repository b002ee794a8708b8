import { describe, expect, test } from 'vitest';
import { nextAttempt } from '../../../src/core/deliver/retry.ts';

const NOW = new Date('2026-12-01T09:00:00Z');
const LATER = new Date('2026-12-02T09:00:00Z');
/** The default of RETRY_DELAYS_SECONDS. */
const DELAYS_MS = [30, 60, 120, 240, 480, 900, 1_800, 3_600].map((seconds) => seconds * 1_000) as [number, ...number[]];

function seconds(attempts: number, random = 0.5, expiresAt = LATER, askedWaitMs?: number): number | 'expire' {
  const next = nextAttempt(
    { attempts, now: NOW, expiresAt, askedWaitMs },
    { delaysMs: DELAYS_MS, random: () => random },
  );
  return next.kind === 'expire' ? 'expire' : (next.at.getTime() - NOW.getTime()) / 1_000;
}

describe('the wait before the next attempt', () => {
  test('grows, and then stays an hour', () => {
    expect([1, 2, 3, 4, 5, 6, 7, 8, 9, 100].map((attempts) => seconds(attempts))).toEqual([
      30, 60, 120, 240, 480, 900, 1_800, 3_600, 3_600, 3_600,
    ]);
  });

  test.each([
    [0, 24],
    [0.25, 27],
    [0.5, 30],
    [0.999999, 36],
  ])('is spread by a fifth to both sides: for %d it is %d s', (random, expected) => {
    expect(seconds(1, random)).toBeCloseTo(expected, 3);
  });

  test.each([
    [10_000, 30],
    [45_000, 45],
  ])('is no shorter than asked for: %i ms', (asked, expected) => {
    expect(seconds(1, 0.5, LATER, asked)).toBe(expected);
  });

  test('never reaches beyond the end of the message', () => {
    const at = (ms: number) => new Date(NOW.getTime() + ms);
    expect(seconds(1, 0.5, at(30_001))).toBe(30);
    expect(seconds(1, 0.5, at(30_000))).toBe('expire');
    expect(seconds(1, 0.5, at(40_000), 40_000)).toBe('expire');
  });
});
