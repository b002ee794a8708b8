import { expect, test } from 'vitest';
import { estimateAt, type Forecast } from '../../src/core/estimate.ts';

const NOW = new Date('2026-12-01T09:00:00Z');
const at = (seconds: number) => NOW.getTime() + seconds * 1_000;
const FREE: Forecast = { ahead: 0, placesFreeAtMs: [], messagesPerWindow: 30, windowMs: 60_000 };
const seconds = (forecast: Partial<Forecast>) =>
  (estimateAt(NOW, { ...FREE, ...forecast }).getTime() - NOW.getTime()) / 1_000;

test.each<[string, Partial<Forecast>, number]>([
  ['an idle mailbox', {}, 0],
  ['29 before it, and a free window', { ahead: 29 }, 0],
  ['30 before it', { ahead: 30 }, 60],
  ['299 before it', { ahead: 299 }, 9 * 60],
  ['no limit', { ahead: 5_000, messagesPerWindow: 0 }, 0],
  ['a full window', { placesFreeAtMs: Array.from({ length: 30 }, (_, n) => at(20 + n)) }, 20],
  ['a full window and 3 before it', { ahead: 3, placesFreeAtMs: Array.from({ length: 30 }, (_, n) => at(20 + n)) }, 23],
  [
    'a full window and 33 before it',
    { ahead: 33, placesFreeAtMs: Array.from({ length: 30 }, (_, n) => at(20 + n)) },
    83,
  ],
  ['20 places taken and 9 before it', { ahead: 9, placesFreeAtMs: Array.from({ length: 20 }, (_, n) => at(5 + n)) }, 0],
  [
    '20 places taken and 10 before it',
    { ahead: 10, placesFreeAtMs: Array.from({ length: 20 }, (_, n) => at(5 + n)) },
    5,
  ],
  ['a mailbox that is held', { ahead: 2, untilMs: at(40) }, 40],
])('%s', (_title, forecast, expected) => {
  expect(seconds(forecast)).toBe(expected);
});
