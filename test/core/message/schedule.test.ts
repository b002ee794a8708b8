import { describe, expect, test } from 'vitest';
import { FieldErrors } from '../../../src/core/message/field-errors.ts';
import { readSchedule, type ScheduleDraft } from '../../../src/core/message/schedule.ts';

const NOW = new Date('2026-12-01T09:00:00Z');
const HOUR_MS = 3_600_000;

function read(draft: ScheduleDraft) {
  const errors = new FieldErrors();
  const { sendAt, expiresAt } = readSchedule(draft, NOW, 24 * HOUR_MS, errors);
  return { sendAt: sendAt?.toISOString(), expiresAt: expiresAt.toISOString(), errors: errors.all };
}

describe('a message', () => {
  test.each<[string, ScheduleDraft, string | undefined, string]>([
    ['without times goes out now', {}, undefined, '2026-12-02T09:00:00.000Z'],
    [
      'to be sent later is tried for a day from then on',
      { sendAt: '2026-12-05T08:00:00Z' },
      '2026-12-05T08:00:00.000Z',
      '2026-12-06T08:00:00.000Z',
    ],
    [
      'may name the time in its zone',
      { sendAt: '2026-12-05T08:00:00.5+02:00' },
      '2026-12-05T06:00:00.500Z',
      '2026-12-06T06:00:00.500Z',
    ],
    [
      'may name a small t and z',
      { sendAt: '2026-12-05t08:00:00z' },
      '2026-12-05T08:00:00.000Z',
      '2026-12-06T08:00:00.000Z',
    ],
    [
      'whose time was a moment ago goes out now',
      { sendAt: '2026-12-01T08:59:01Z' },
      undefined,
      '2026-12-02T09:00:00.000Z',
    ],
    ['may end sooner', { expiresAt: '2026-12-01T09:10:00Z' }, undefined, '2026-12-01T09:10:00.000Z'],
    [
      'may end later',
      { sendAt: '2026-12-05T08:00:00Z', expiresAt: '2026-12-20T08:00:00Z' },
      '2026-12-05T08:00:00.000Z',
      '2026-12-20T08:00:00.000Z',
    ],
    ['may wait 30 days', { sendAt: '2026-12-31T09:00:00Z' }, '2026-12-31T09:00:00.000Z', '2027-01-01T09:00:00.000Z'],
  ])('%s', (_title, draft, sendAt, expiresAt) => {
    expect(read(draft)).toEqual({ sendAt, expiresAt, errors: [] });
  });
});

describe('a time is refused', () => {
  test.each<[string, ScheduleDraft, string, string]>([
    ['in the past', { sendAt: '2026-12-01T08:58:59Z' }, 'sendAt', 'is in the past'],
    ['more than 30 days ahead', { sendAt: '2026-12-31T09:00:01Z' }, 'sendAt', 'more than 30 days ahead'],
    ['without a zone', { sendAt: '2026-12-05T08:00:00' }, 'sendAt', 'RFC 3339'],
    ['of a day alone', { sendAt: '2026-12-05' }, 'sendAt', 'RFC 3339'],
    ['of a month that does not exist', { sendAt: '2026-13-05T08:00:00Z' }, 'sendAt', 'RFC 3339'],
    ['of an hour that does not exist', { sendAt: '2026-12-05T25:00:00Z' }, 'sendAt', 'RFC 3339'],
    ['as a number', { sendAt: '1796112000' }, 'sendAt', 'RFC 3339'],
    ['in words', { sendAt: 'tomorrow' }, 'sendAt', 'RFC 3339'],
    ['for an end in the past', { expiresAt: '2026-11-30T09:00:00Z' }, 'expiresAt', 'is in the past'],
    ['for an end now', { expiresAt: '2026-12-01T09:00:00Z' }, 'expiresAt', 'after sendAt, and in the future'],
    [
      'for an end before the beginning',
      { sendAt: '2026-12-05T08:00:00Z', expiresAt: '2026-12-05T07:00:00Z' },
      'expiresAt',
      'after sendAt',
    ],
    ['for an end that is not a time', { expiresAt: 'never' }, 'expiresAt', 'RFC 3339'],
  ])('%s', (_title, draft, field, words) => {
    expect(read(draft).errors).toContainEqual({ field, message: expect.stringContaining(words) });
  });

  test('for only one reason', () => {
    expect(read({ sendAt: '2026-11-30T09:00:00Z', expiresAt: '2026-11-30T09:00:00Z' }).errors).toEqual([
      { field: 'sendAt', message: expect.stringContaining('is in the past') },
      { field: 'expiresAt', message: expect.stringContaining('is in the past') },
    ]);
  });

  test('when its day does not exist in its month', () => {
    expect(read({ sendAt: '2026-11-31T10:00:00Z' }).errors).toEqual([
      { field: 'sendAt', message: expect.stringContaining('RFC 3339') },
    ]);
    expect(read({ sendAt: '2026-12-31T00:30:00+14:00' }).errors).toEqual([]);
  });
});
