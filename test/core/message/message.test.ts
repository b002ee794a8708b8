import { describe, expect, test } from 'vitest';
import {
  isFinal,
  MESSAGE_STATUSES,
  type MessageStatus,
  newState,
  queueOf,
  recipientsOf,
  sendThrough,
  publicStatus,
} from '../../../src/core/message/message.ts';
import { MESSAGE } from '../../helpers/message.ts';

const NOW = new Date('2026-12-01T10:00:00Z');
const at = (...addresses: readonly string[]) => addresses.map((address) => ({ address }));

describe('the recipients of the envelope', () => {
  test('are To, Cc and Bcc in this order, each once regardless of case', () => {
    const message = {
      to: at('b@x.com', 'a@x.com', 'B@x.com'),
      cc: at('c@x.com', 'A@X.com'),
      bcc: at('d@x.com', 'c@x.com'),
    };
    const recipients = recipientsOf(message);
    expect(recipients.map((one) => one.toLowerCase())).toEqual(['b@x.com', 'a@x.com', 'c@x.com', 'd@x.com']);
  });

  test('are those of the envelope when it has its own', () => {
    expect(recipientsOf({ ...MESSAGE, envelopeTo: ['z@x.com', 'Z@x.com'] })).toHaveLength(1);
  });

  test('are all pending in a new message', () => {
    const [one, ...others] = newState(MESSAGE).recipients;
    expect(one).toEqual({ address: 'a@example.com', status: 'pending' });
    expect(others).toHaveLength(2);
  });
});

test.each([
  [undefined, 'queued'],
  [NOW, 'scheduled'],
])('a new message to be sent at %s is %s', (sendAt, status) => {
  expect(newState({ ...MESSAGE, ...(sendAt && { sendAt }) })).toMatchObject({ status, attempts: [] });
});

describe('the status that is shown', () => {
  const held = { state: 'held' };
  const later = new Date(NOW.getTime() + 1);

  test.each<[MessageStatus, { state: string } | undefined, Date | undefined, MessageStatus]>([
    ['queued', undefined, undefined, 'queued'],
    ['queued', { state: 'open' }, undefined, 'queued'],
    ['queued', { state: 'throttled' }, undefined, 'queued'],
    ['queued', { state: 'paused' }, undefined, 'queued'],
    ['queued', held, undefined, 'held'],
    ['deferred', held, undefined, 'held'],
    ['sending', held, undefined, 'sending'],
    ['sent', held, undefined, 'sent'],
    ['failed', held, undefined, 'failed'],
    ['held', { state: 'open' }, undefined, 'held'],
    ['scheduled', held, later, 'scheduled'],
    ['scheduled', undefined, later, 'scheduled'],
    ['scheduled', undefined, NOW, 'queued'],
    ['scheduled', held, NOW, 'held'],
  ])('of a message that is %s, with the mailbox %j, due %s, is %s', (status, mailbox, sendAt, shown) => {
    expect(publicStatus({ status, attempts: [], recipients: [] }, { ...(sendAt && { sendAt }) }, mailbox, NOW)).toBe(
      shown,
    );
  });
});

test('four statuses are final', () => {
  expect(MESSAGE_STATUSES.filter(isFinal)).toEqual(['sent', 'failed', 'expired', 'canceled']);
});

test('a message to a pool waits in the queue of the pool, and is sent as the mailbox that takes it', () => {
  const message = { ...MESSAGE, mailbox: 'news', pool: 'news' };
  const sent = sendThrough(message, { id: 'm2@contoso.com', address: 'M2@contoso.com' });
  expect(sent).toEqual({ ...message, mailbox: 'm2@contoso.com', from: { name: 'Sales', address: 'M2@contoso.com' } });
  expect([queueOf(message), queueOf(sent), queueOf(MESSAGE)]).toEqual(['news', 'news', MESSAGE.mailbox]);
});
