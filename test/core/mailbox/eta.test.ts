import { describe, expect, test } from 'vitest';
import { positionAhead, estimateAt, type EstimateInput } from '../../../src/core/mailbox/eta.ts';

const NOW = new Date('2026-12-01T09:00:00Z');
const at = (seconds: number) => NOW.getTime() + seconds * 1_000;
const FREE: EstimateInput = { ahead: 0, placesFreeAtMs: [], messagesPerWindow: 30, windowMs: 60_000 };
const seconds = (input: Partial<EstimateInput>) =>
  (estimateAt(NOW, { ...FREE, ...input }).getTime() - NOW.getTime()) / 1_000;

test.each<[string, Partial<EstimateInput>, number]>([
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
  ['no limit, and connections that take their time', { ahead: 300, messagesPerWindow: 0, messageMs: 200 }, 60],
  ['a high limit, and connections that are slower', { ahead: 600, messagesPerWindow: 1_000, messageMs: 200 }, 120],
  [
    'a high limit, whose places fall free as slowly as they were taken',
    { ahead: 1_500, messagesPerWindow: 1_000, messageMs: 30 },
    75,
  ],
  ['a low limit, and connections that are faster', { ahead: 60, messageMs: 200 }, 120],
])('%s', (_title, input, expected) => {
  expect(seconds(input)).toBe(expected);
});

describe('before a message goes', () => {
  const BACKLOG = { high: 10, normal: 200, low: 50, underWay: 3 };

  test.each([
    // 3 are under way.
    ['the first of the high ones', 'high', 0, BACKLOG, 3],
    ['the last of them', 'high', 9, BACKLOG, 12],
    // One of ten is a low one, as long as there are any.
    ['the first normal one, all high ones', 'normal', 0, BACKLOG, 3 + 10 + 1],
    ['a later one, low ones in between', 'normal', 170, BACKLOG, 3 + 10 + 170 + 20],
    ['the last one, no more low ones than there are', 'normal', 190, { ...BACKLOG, low: 5 }, 3 + 10 + 190 + 5],
    // The tenth, the twentieth: they are lifted.
    ['the first low one, and not all normal ones', 'low', 0, BACKLOG, 3 + 12],
    ['the fifth low one', 'low', 4, BACKLOG, 3 + 50],
    ['a low one that none is before', 'low', 4, { high: 0, normal: 0, low: 9, underWay: 0 }, 4],
  ] as const)('%s', (_title, priority, position, backlog, expected) => {
    expect(positionAhead(priority, position, backlog)).toBe(expected);
  });
});
