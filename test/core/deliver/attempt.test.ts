import { describe, expect, test } from 'vitest';
import { createAttempt, type LoadedContent } from '../../../src/core/deliver/attempt.ts';
import { type AttemptPolicy, transitionAfterAttempt } from '../../../src/core/deliver/after-attempt.ts';
import { pendingRecipients } from '../../../src/core/deliver/transition.ts';
import type { Attempt, AttemptOutcome, MessageState, RecipientState } from '../../../src/core/message/message.ts';
import type { DeliveryRequest } from '../../../src/core/deliver/deliver.ts';
import type { Outcome, Stage } from '../../../src/core/replies/outcome.ts';
import { parseReply } from '../../../src/core/replies/reply.ts';
import {
  expireWithoutAttempt,
  interruptedAttempt,
  transitionWithoutAttempt,
} from '../../../src/core/deliver/without-attempt.ts';
import { MESSAGE } from '../../helpers/message.ts';

const START = new Date('2026-12-01T10:00:00Z');
const END = new Date('2026-12-01T10:00:02Z');
const POLICY: AttemptPolicy = { delaysMs: [30_000, 60_000, 120_000], random: () => 0.5, unknown: 'retry' };

const A = 'a@example.com';
const B = 'b@example.com';
const C = 'c@example.com';

const reply = (text: string) => parseReply(text) ?? { code: 0, text };
const pending = (address: string): RecipientState => ({ address, status: 'pending' });
const attempts = (...outcomes: readonly AttemptOutcome[]): Attempt[] =>
  outcomes.map((outcome) => ({ at: START, durationMs: 1, outcome, explanation: '' }));

interface Given {
  readonly recipients?: readonly RecipientState[];
  readonly before?: readonly AttemptOutcome[];
  readonly expiresAt?: Date;
  readonly policy?: Partial<AttemptPolicy>;
  readonly retriedAt?: Date;
}

function completed(outcome: Outcome, { recipients, before = [], expiresAt, policy, retriedAt }: Given = {}) {
  const state = {
    attempts: attempts(...before),
    recipients: recipients ?? [pending(A)],
    ...(retriedAt && { retriedAt }),
  };
  const message = { expiresAt: expiresAt ?? MESSAGE.expiresAt };
  return transitionAfterAttempt(message, state, { outcome, startedAt: START, endedAt: END }, { ...POLICY, ...policy });
}

const accepted = (...refused: readonly (readonly [string, string])[]): Outcome => ({
  kind: 'accepted',
  reply: reply('250 2.0.0 OK <m@contoso.com> [Hostname=X]'),
  refused: refused.map(([address, text]) => ({ address, reply: reply(text) })),
});
const refused = (text: string, stage: Stage = 'end', ...each: readonly (readonly [string, string])[]): Outcome => ({
  kind: 'refused',
  stage,
  reply: reply(text),
  refused: each.map(([address, one]) => ({ address, reply: reply(one) })),
});

const GONE = '550 5.1.10 Recipient not found';
const TOO_MANY = '452 4.5.3 Too many recipients';
const BUSY = '432 4.3.2 STOREDRV.Deliver; recipient thread limit exceeded';
const SERVER_ERROR = '451 4.7.0 Temporary server error. Please try again later. PRX5';
const BROKEN: Outcome = { kind: 'broken', stage: 'mail', error: 'read ECONNRESET', code: 'ECONNRESET' };
const UNKNOWN: Outcome = { kind: 'unknown', error: 'read ECONNRESET' };

/** Seconds from the attempt's end to the next one. */
const waitSeconds = (next: Date | undefined) => (next ? (next.getTime() - END.getTime()) / 1_000 : undefined);

describe('what becomes of a message', () => {
  test.each<[string, Outcome, string, AttemptOutcome, RecipientState['status'], string, number | undefined]>([
    ['that Exchange takes', accepted(), 'sent', 'sent', 'sent', 'took', undefined],
    ['refused for now', refused(SERVER_ERROR), 'deferred', 'deferred', 'pending', 'nothing', 30],
    [
      'refused for good',
      refused('554 5.6.0 Corrupt message content'),
      'failed',
      'failed',
      'failed',
      'works',
      undefined,
    ],
    [
      'with one recipient that is not there',
      refused(GONE, 'rcpt', [A, GONE]),
      'failed',
      'failed',
      'failed',
      'works',
      undefined,
    ],
    ['whose mailbox is held', refused('535 5.7.3 No', 'auth'), 'queued', 'held', 'pending', 'blocked', undefined],
    [
      'whose mailbox is slowed',
      refused('451 4.7.500 Server busy'),
      'queued',
      'throttled',
      'pending',
      'blocked',
      undefined,
    ],
    [
      'for which there is no token',
      { kind: 'no-token', error: 'No.' },
      'queued',
      'held',
      'pending',
      'blocked',
      undefined,
    ],
    [
      'that cannot be composed',
      { kind: 'uncomposable', error: 'No.' },
      'failed',
      'failed',
      'failed',
      'nothing',
      undefined,
    ],
    ['whose connection broke', BROKEN, 'deferred', 'deferred', 'pending', 'nothing', 30],
    ['whose session was over', refused('421 4.4.2 Timed out', 'mail'), 'deferred', 'deferred', 'pending', 'nothing', 0],
    ['that may have been taken', UNKNOWN, 'deferred', 'unknown', 'pending', 'took', 30],
    ['with an unknown 4xx', refused('450 4.9.9 New'), 'deferred', 'deferred', 'pending', 'nothing', 30],
    ['with an unknown 5xx', refused('550 5.9.9 New'), 'failed', 'failed', 'failed', 'works', undefined],
    [
      'with an unknown 5xx at the login',
      refused('550 5.9.9 New', 'auth'),
      'queued',
      'held',
      'pending',
      'blocked',
      undefined,
    ],
  ])('%s', (_title, outcome, status, result, recipient, effect, wait) => {
    const transition = completed(outcome);
    expect(transition).toMatchObject({
      status,
      attempt: { at: START, durationMs: 2_000, outcome: result },
      recipients: [{ address: A, status: recipient }],
      effect: { kind: effect },
    });
    expect(waitSeconds(transition.nextAttemptAt)).toBe(wait);
  });
});

describe('each recipient has a fate of its own', () => {
  const three = [pending(A), pending(B), pending(C)];
  const statuses = (outcome: Outcome, recipients = three) => {
    const transition = completed(outcome, { recipients });
    return [transition.status, ...transition.recipients.map(({ status }) => status)];
  };

  test.each<[string, Outcome, string[]]>([
    ['all taken', accepted(), ['sent', 'sent', 'sent', 'sent']],
    ['one refused for good', accepted([B, GONE]), ['sent', 'sent', 'failed', 'sent']],
    ['one refused for now', accepted([B, BUSY]), ['deferred', 'sent', 'pending', 'sent']],
    ['one so, one so', accepted([A, GONE], [B, BUSY]), ['deferred', 'failed', 'pending', 'sent']],
    [
      'all refused, one for now',
      refused(BUSY, 'rcpt', [A, GONE], [B, BUSY], [C, GONE]),
      ['deferred', 'failed', 'pending', 'failed'],
    ],
    [
      'all refused for good',
      refused(GONE, 'rcpt', [A, GONE], [B, GONE], [C, GONE]),
      ['failed', 'failed', 'failed', 'failed'],
    ],
    ['the message refused for good', refused('552 5.3.4 Too large'), ['failed', 'failed', 'failed', 'failed']],
    ['the mailbox held', refused('535 5.7.3 No', 'auth'), ['queued', 'pending', 'pending', 'pending']],
  ])('%s', (_title, outcome, expected) => {
    expect(statuses(outcome)).toEqual(expected);
  });

  test('and keeps it: who was taken or refused before is not touched', () => {
    const before: RecipientState[] = [
      { address: A, status: 'sent' },
      { address: B, status: 'failed', reply: reply(GONE) },
      pending(C),
    ];
    expect(completed(refused('552 5.3.4 Too large'), { recipients: before })).toMatchObject({
      status: 'sent',
      recipients: [before[0], before[1], { address: C, status: 'failed' }],
    });
    expect(statuses(accepted(), before)).toEqual(['sent', 'sent', 'failed', 'sent']);
  });

  test('with its own reply, which is gone once it was taken', () => {
    const first = completed(accepted([B, BUSY]), { recipients: [pending(A), pending(B)] });
    expect(first.recipients[1]).toEqual({ address: B, status: 'pending', reply: reply(BUSY) });
    expect(first.attempt.explanation).toBe(`Exchange accepted the message for delivery, but not for ${B}.`);
    expect(completed(accepted(), { recipients: first.recipients }).recipients[1]).toEqual({
      address: B,
      status: 'sent',
    });
  });

  test('and counts against the limit when it was taken', () => {
    const recipients = [pending(A), pending(B), { address: C, status: 'sent' } as const];
    const effectOf = (outcome: Outcome) => completed(outcome, { recipients }).effect;
    expect(effectOf(accepted([B, GONE]))).toEqual({ kind: 'took', recipients: 1, certain: true });
    expect(effectOf(UNKNOWN)).toEqual({ kind: 'took', recipients: 2, certain: false });
  });
});

describe('the next attempt', () => {
  const waitAfter = (outcome: Outcome, given: Given) => waitSeconds(completed(outcome, given).nextAttemptAt);

  test('comes later each time', () => {
    const waits = [0, 1, 2, 3].map((n) =>
      waitAfter(BROKEN, { before: Array.from({ length: n }, () => 'deferred' as const) }),
    );
    expect(waits).toEqual([30, 60, 120, 120]);
  });

  test('does not come later for attempts that said nothing of the message', () => {
    expect(waitAfter(BROKEN, { before: ['held', 'throttled', 'interrupted', 'held'] })).toBe(30);
    expect(waitAfter(BROKEN, { before: ['held', 'unknown', 'deferred'] })).toBe(120);
  });

  test('is the first again for someone who had it tried anew', () => {
    const before = ['deferred', 'deferred', 'deferred'] as const;
    expect(waitAfter(BROKEN, { before, retriedAt: new Date(START.getTime() + 1) })).toBe(30);
    expect(waitAfter(BROKEN, { before, retriedAt: START })).toBe(120);
  });

  test('comes at once for those that were too many in one go, three times', () => {
    const recipients = [pending(A), pending(B)];
    const waits = [0, 1, 2, 3].map((n) =>
      waitAfter(accepted([B, TOO_MANY]), { recipients, before: Array.from({ length: n }, () => 'deferred' as const) }),
    );
    expect(waits).toEqual([0, 0, 0, 120]);
  });

  test('does not come before the time that the reply asks for', () => {
    expect(waitAfter(refused('451 4.3.0 Temporary server error, retry after 5 minutes'), {})).toBe(300);
    expect(waitAfter(refused('451 4.3.0 Temporary server error, retry after 2 seconds'), {})).toBe(30);
    const expiresAt = new Date(END.getTime() + 299_000);
    expect(completed(refused('451 4.3.0 Error, retry after 5 minutes'), { expiresAt }).status).toBe('expired');
  });

  test.each([
    ['503 5.5.2 Need rcpt command', 2],
    ['451 4.5.0 SMTP protocol violation', 3],
  ])('after %s is the %ith and last', (text, tries) => {
    const afterTries = (n: number) =>
      completed(refused(text), { before: Array.from({ length: n }, () => 'deferred' as const) });
    expect(afterTries(tries - 2).status).toBe('deferred');
    const last = afterTries(tries - 1);
    expect(last).toMatchObject({
      status: 'failed',
      attempt: { outcome: 'failed' },
      recipients: [{ status: 'failed' }],
    });
  });
});

describe('a message whose time is over', () => {
  const soon = new Date(END.getTime() + 29_000);

  test('before the next attempt expires, and says so', () => {
    expect(completed(BROKEN, { expiresAt: soon })).toMatchObject({
      status: 'expired',
      recipients: [{ status: 'failed' }],
      attempt: { outcome: 'failed', explanation: expect.stringMatching(/ECONNRESET\. The message's time is over/) },
    });
  });

  test('for one of its recipients was sent to the others', () => {
    const given = { recipients: [pending(A), pending(B)], expiresAt: soon };
    expect(completed(accepted([B, BUSY]), given)).toMatchObject({
      status: 'sent',
      attempt: { outcome: 'sent' },
      recipients: [{ status: 'sent' }, { status: 'failed' }],
    });
  });

  test('waits for its mailbox until then, and no longer', () => {
    const held = refused('535 5.7.3 No', 'auth');
    expect(completed(held, { expiresAt: soon }).status).toBe('queued');
    expect(completed(held, { expiresAt: END })).toMatchObject({ status: 'expired', effect: { kind: 'blocked' } });
  });

  test('while it waits expires without attempt, with what it waited for', () => {
    const reason = { explanation: 'The secret has expired.', fix: 'A new one.', reply: reply('535 5.7.3 No') };
    const state: MessageState = { status: 'queued', attempts: [], recipients: [pending(A)] };
    expect(expireWithoutAttempt(MESSAGE, state, END, reason)).toMatchObject({
      status: 'expired',
      recipients: [{ status: 'failed' }],
      attempt: {
        outcome: 'failed',
        explanation: expect.stringMatching(/over at 2026-12-02.*secret has expired/),
        fix: 'A new one.',
      },
      effect: { kind: 'nothing' },
    });
    const partly = { ...state, recipients: [{ address: A, status: 'sent' } as const, pending(B)] };
    expect(expireWithoutAttempt(MESSAGE, partly, END).status).toBe('sent');
  });
});

describe('an outcome that nobody knows', () => {
  test('leads to the same bytes once more', () => {
    expect(completed(UNKNOWN).attempt.explanation).toMatch(
      /Exchange may have accepted it.*ECONNRESET\. .*same Message-ID/s,
    );
  });

  test('leads to a person, if that is the policy', () => {
    const transition = completed(UNKNOWN, { policy: { unknown: 'hold' } });
    expect(transition).toMatchObject({
      status: 'held',
      attempt: { outcome: 'unknown' },
      recipients: [{ status: 'pending' }],
    });
    expect(transition.attempt.explanation).toContain('POST /messages/{id}/retry');
    expect(transition.nextAttemptAt).toBeUndefined();
  });

  test('stays unknown when there is no time for another attempt', () => {
    expect(completed(UNKNOWN, { expiresAt: END })).toMatchObject({
      status: 'expired',
      attempt: { outcome: 'unknown' },
    });
  });

  test('is what a worker leaves that died after the final dot, and not one that died before', () => {
    expect(interruptedAttempt({ startedAt: START, finalDotMarked: true }, END, 'retry')).toMatchObject({
      outcome: 'unknown',
      durationMs: 2_000,
    });
    expect(interruptedAttempt({ startedAt: START, finalDotMarked: false }, END, 'retry')).toMatchObject({
      outcome: 'interrupted',
      at: START,
    });
  });
});

test('a message that cannot be tried fails alone', () => {
  const state: MessageState = {
    status: 'queued',
    attempts: [],
    recipients: [pending(A), { address: B, status: 'sent' }],
  };
  expect(transitionWithoutAttempt({ message: MESSAGE, state, problem: 'Its content is gone.' }, END)).toMatchObject({
    status: 'failed',
    attempt: { explanation: 'Its content is gone.' },
    recipients: [{ status: 'failed' }, { status: 'sent' }],
    effect: { kind: 'nothing' },
  });
});

describe('an attempt', () => {
  const CONTENT: LoadedContent = { ok: true, content: { replyTo: [], headers: {}, attachments: [] } };
  const STATE: MessageState = {
    status: 'sending',
    attempts: [],
    recipients: [pending(A), { address: B, status: 'failed' }, pending(C)],
  };
  const bytes = new Uint8Array([1, 2, 3]);
  const times = () => [START, END].values();

  test('hands over what was composed, to those who wait for it, and takes its times', async () => {
    const handed: DeliveryRequest[] = [];
    const clock = times();
    const run = createAttempt({
      compose: async () => bytes,
      deliver: async (request) => {
        handed.push(request);
        return accepted();
      },
      policy: POLICY,
      now: () => clock.next().value ?? END,
    });
    const markFinalDot = async () => undefined;
    const { signal } = new AbortController();
    const transition = await run({ message: MESSAGE, state: STATE, content: CONTENT, markFinalDot, signal });
    expect(handed).toEqual([
      { from: 'sales@contoso.com', recipients: [A, C], bytes, markFinalDot: markFinalDot, signal },
    ]);
    expect(transition).toMatchObject({ status: 'sent', attempt: { at: START, durationMs: 2_000, outcome: 'sent' } });
  });

  test('at a message that cannot be composed does not connect to Exchange', async () => {
    const run = createAttempt({
      compose: async () => Promise.reject(new Error('Bad address.')),
      deliver: async () => expect.unreachable('It is handed over.'),
      policy: POLICY,
      now: () => END,
    });
    const { signal } = new AbortController();
    const request = { message: MESSAGE, state: STATE, content: CONTENT, markFinalDot: async () => undefined, signal };
    const { status, attempt } = await run(request);
    expect([status, attempt.explanation]).toEqual(['failed', 'The message cannot be composed: Bad address.']);
  });

  test('addresses those that Exchange has neither taken nor refused', () => {
    expect(pendingRecipients(STATE)).toEqual([A, C]);
  });
});
