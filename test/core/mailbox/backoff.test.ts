import { expect, test } from 'vitest';
import { classifyReply } from '../../../src/core/replies/classify.ts';
import { DAY_WAIT, HOLD_WAIT, SHORT_WAIT, THROTTLE_WAIT, SOURCES } from '../../../src/core/replies/classification.ts';
import { parseReply } from '../../../src/core/replies/reply.ts';
import { backoffOf } from '../../../src/core/mailbox/backoff.ts';
import { dayLimitReached } from '../../../src/core/mailbox/status.ts';

function backoff(text: string) {
  const reply = parseReply(text) ?? { code: 0, text };
  return backoffOf(classifyReply(reply, 'end'), reply);
}

test('a backoff tells the reason whole: the row, the words, what mends it, where that stands, and the reply', () => {
  expect(backoff('535 5.7.139 Authentication unsuccessful, basic authentication is disabled.')).toEqual({
    state: 'held',
    reason: {
      rule: 'basic-auth-disabled',
      explanation: 'The tenant does not allow logins with a password.',
      fix: expect.stringContaining('Use OAuth'),
      source: SOURCES.submission,
      reply: {
        code: 535,
        enhanced: '5.7.139',
        text: 'Authentication unsuccessful, basic authentication is disabled.',
      },
    },
    firstWaitMs: HOLD_WAIT.firstMs,
    longestWaitMs: HOLD_WAIT.longestMs,
  });
});

test('without a reply and a fix it tells none', () => {
  const classification = classifyReply(
    { code: 454, enhanced: '4.7.0', text: 'Temporary authentication failure' },
    'auth',
  );
  expect(backoffOf(classification, undefined)?.reason).toEqual({
    rule: 'authentication-unavailable',
    explanation: expect.any(String),
    source: SOURCES.submission,
  });
});

test.each([
  ['535 5.7.3 Authentication unsuccessful', 'held', HOLD_WAIT],
  ['454 4.7.0 Temporary authentication failure', 'held', SHORT_WAIT],
  ['451 4.7.500 Server busy', 'throttled', THROTTLE_WAIT],
  ['554 5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException', 'throttled', DAY_WAIT],
])('%s: %s, for so long', (text, state, { firstMs, longestMs }) => {
  expect(backoff(text)).toMatchObject({ state, firstWaitMs: firstMs, longestWaitMs: longestMs });
});

test.each([
  ['451 4.7.500 Server busy, retry after 90 seconds', { askedWaitMs: 90_000 }],
  ['432 4.3.2 Concurrent connections limit exceeded', { tooManyConnections: true }],
  ['430 4.2.0 STOREDRV; mailbox logon failure', { heldAfter: 3 }],
])('%s: with what is its own', (text, own) => {
  expect(backoff(text)).toMatchObject(own);
});

test.each(['451 4.7.0 Temporary server error', '550 5.1.10 Recipient not found', '552 5.3.4 Too large'])(
  '%s leaves the mailbox alone',
  (text) => {
    expect(backoff(text)).toBeUndefined();
  },
);

test("the mailbox's own limit of a day blocks it until there is room again", () => {
  expect(dayLimitReached(10_000, 7_000)).toMatchObject({
    state: 'throttled',
    firstWaitMs: 7_000,
    longestWaitMs: 7_000,
    reason: {
      rule: 'recipients-per-day',
      explanation: expect.stringContaining('10000 recipients'),
      fix: expect.any(String),
    },
  });
});
