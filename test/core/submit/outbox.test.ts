import { describe, expect, test } from 'vitest';
import { EXCHANGE_LIMITS, type Mailbox } from '../../../src/core/mailbox/mailbox.ts';
import type { Message } from '../../../src/core/message/message.ts';
import { createOutbox, type EnqueueOutcome } from '../../../src/core/submit/outbox.ts';
import type { Draft, Submission } from '../../../src/core/submit/submission.ts';
import { headerValues } from '../../../src/smtp/header-values.ts';

const NOW = new Date('2026-12-01T10:00:00Z');
const SHOP = { name: 'shop' };
const KEY = { key: 'k', digest: 'd' };
const WRITTEN: Draft = { kind: 'written', to: 'a@example.com', text: 'Hello.' };
const INVALID: Draft = { kind: 'written', text: 'Hello.' };

const mailbox = (address: string): Mailbox => ({ id: address, address, sendAs: [], limits: EXCHANGE_LIMITS });

const queue = (): EnqueueOutcome => ({ kind: 'queued', estimatedAt: NOW });

/** An outbox of a queue with these outcomes; by default it queues everything. */
function open(outcomesOf: (submission: Submission) => readonly EnqueueOutcome[] = () => [queue()]) {
  const queued: Submission[] = [];
  const accepted: Message[] = [];
  const outbox = createOutbox({
    directory: () => ({ mailboxes: [mailbox('noreply@contoso.com'), mailbox('sales@contoso.com')], pools: [] }),
    newId: (seed) => seed ?? `random-${queued.length}`,
    now: () => NOW,
    messageTtlMs: 1_000,
    headerValues,
    enqueueAll: async (submissions) => {
      queued.push(...submissions);
      return submissions.flatMap(outcomesOf);
    },
    onAccepted: (message) => accepted.push(message),
  });
  return { outbox, queued, accepted };
}

function raw(header: string, digest?: string): Draft {
  return { kind: 'raw', bytes: Buffer.from(`${header}\r\n\r\nHello.\r\n`), ...(digest !== undefined && { digest }) };
}

describe('submit', () => {
  test('queues a valid draft and reports it as accepted', async () => {
    const { outbox, queued, accepted } = open();
    const outcome = await outbox.submit(WRITTEN, SHOP);
    expect(outcome).toMatchObject({ kind: 'accepted', replayed: false, message: { client: 'shop' } });
    expect([queued.length, accepted.length]).toEqual([1, 1]);
  });

  test('queues nothing of an invalid draft', async () => {
    const { outbox, queued } = open();
    expect(await outbox.submit(INVALID, SHOP)).toMatchObject({ kind: 'invalid', errors: [{ field: 'to' }] });
    expect(queued).toEqual([]);
  });

  test('does not report a replayed message as accepted again', async () => {
    const { outbox, accepted } = open(({ message }) => [{ kind: 'replayed', message, estimatedAt: NOW }]);
    expect(await outbox.submit(WRITTEN, SHOP, KEY)).toMatchObject({ kind: 'accepted', replayed: true });
    expect(accepted).toEqual([]);
  });

  test('knows a repeated raw message by its Message-ID, its bytes and its recipients', async () => {
    const { outbox, queued } = open();
    const header = 'To: b@example.com, A@example.com\r\nMessage-ID: <1@x>';
    await outbox.submit(raw(header, 'digest'), SHOP);
    const key = JSON.stringify(['Message-ID', '<1@x>', ['a@example.com', 'b@example.com'], 'digest']);
    expect(queued[0]?.idempotency).toEqual({ key, digest: 'digest' });
  });

  test('takes the key of the client before that of the Message-ID', async () => {
    const { outbox, queued } = open();
    await outbox.submit(raw('To: a@example.com\r\nMessage-ID: <1@x>', 'digest'), SHOP, KEY);
    expect(queued[0]?.idempotency).toEqual(KEY);
  });

  test('is unavailable when the queue gives no answer', async () => {
    const { outbox } = open(() => []);
    expect((await outbox.submit(WRITTEN, SHOP)).kind).toBe('unavailable');
  });
});

describe('submitBatch', () => {
  test('queues the valid drafts and answers in the order of all', async () => {
    const { outbox, queued } = open();
    const outcomes = await outbox.submitBatch([INVALID, WRITTEN, INVALID, WRITTEN], SHOP);
    expect(outcomes.map(({ kind }) => kind)).toEqual(['invalid', 'accepted', 'invalid', 'accepted']);
    expect(queued).toHaveLength(2);
  });

  test('gives each message its position in the batch, even in a batch of one', async () => {
    const { outbox, queued } = open();
    await outbox.submitBatch([WRITTEN], SHOP, KEY);
    await outbox.submitBatch([WRITTEN, WRITTEN], SHOP, KEY);
    expect(queued.map(({ idempotency }) => idempotency?.index)).toEqual([0, 0, 1]);
  });
});

describe('check', () => {
  test('finds what submit would, and queues nothing', () => {
    const { outbox, queued, accepted } = open();
    expect(outbox.check(WRITTEN, SHOP)).toMatchObject({ kind: 'ready', submission: { client: SHOP } });
    expect(outbox.check(INVALID, SHOP)).toMatchObject({ kind: 'invalid' });
    expect([queued, accepted]).toEqual([[], []]);
  });
});

describe('the mailbox that sends', () => {
  test.each([
    ['is the first', {}, 'noreply@contoso.com'],
    ['is the one that owns from', { from: 'Sales@contoso.com' }, 'sales@contoso.com'],
    ['is the one that the draft names', { mailbox: 'SALES@contoso.com' }, 'sales@contoso.com'],
  ])('%s', (_title, fields, id) => {
    const { outbox } = open();
    expect(outbox.check({ ...WRITTEN, ...fields }, SHOP)).toMatchObject({ submission: { message: { mailbox: id } } });
  });

  test.each([
    ['no mailbox may send as from', { from: 'x@fabrikam.com' }, SHOP, 'noreply@contoso.com, sales@contoso.com'],
    [
      'the key may not send as from',
      { from: 'sales@contoso.com' },
      { ...SHOP, senders: ['noreply@contoso.com'] },
      'only',
    ],
  ])('is refused when %s', (_title, fields, client, words) => {
    const { outbox } = open();
    expect(outbox.check({ ...WRITTEN, ...fields }, client)).toEqual({
      kind: 'sender-not-allowed',
      errors: [{ field: 'from', message: expect.stringContaining(words) }],
    });
  });

  test('is unknown when the key may not use it', () => {
    const { outbox } = open();
    const client = { ...SHOP, mailboxes: ['noreply@contoso.com'] };
    expect(outbox.check({ ...WRITTEN, mailbox: 'sales@contoso.com' }, client)).toEqual({
      kind: 'invalid',
      errors: [{ field: 'mailbox', message: 'Unknown mailbox. Known mailboxes: noreply@contoso.com.' }],
    });
  });
});
