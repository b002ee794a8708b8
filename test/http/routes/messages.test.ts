import { describe, expect, test } from 'vitest';
import { QueueUnavailableError, UnreadableMessageError } from '../../../src/core/admin/errors.ts';
import type { MessageSelector } from '../../../src/core/admin/message-admin.ts';
import type { MessageState } from '../../../src/core/message/message.ts';
import { apiKey, MAILBOX, NO_MAILBOXES, openTestApp } from '../../helpers/app.ts';
import { adminOf, MESSAGE, STATE } from '../../helpers/message.ts';

describe('GET /messages/{id}', () => {
  test.each([
    ['its own client', apiKey('shop', 'its-key'), 200],
    ['another client', apiKey('crm', 'its-key'), 404],
    ['another client with admin', apiKey('crm', 'its-key', ['admin', 'read']), 200],
  ])('%s gets %3$i', async (_title, key, statusCode) => {
    const { app } = openTestApp({ keys: [key], messages: adminOf({ message: MESSAGE, state: STATE }) });
    const response = await app.inject({ url: '/messages/abc-1', headers: { authorization: 'Bearer its-key' } });
    expect(response.statusCode).toBe(statusCode);
  });

  test('shows a message as held while its mailbox is, with the reason and the fix', async () => {
    const mailboxStatus = {
      state: 'held' as const,
      since: new Date('2026-12-01T08:00:00Z'),
      until: new Date('2026-12-01T09:05:00Z'),
      reason: { explanation: 'The client secret has expired.', fix: 'Make a new secret.' },
      usage: { connections: 0, reservedConnections: 0, messagesPerMinute: 0, recipientsPerDay: 0, underWay: 0 },
    };
    const { app } = openTestApp({
      messages: adminOf({ message: MESSAGE, state: STATE, mailboxStatus }),
    });
    expect((await app.inject('/messages/abc-1')).json()).toMatchObject({
      status: 'held',
      held: {
        since: '2026-12-01T08:00:00.000Z',
        until: '2026-12-01T09:05:00.000Z',
        explanation: 'The client secret has expired.',
        fix: 'Make a new secret.',
      },
    });
  });

  test('shows everything but the content, each attempt with its reply, explanation and fix', async () => {
    const { app } = openTestApp({ messages: adminOf({ message: MESSAGE, state: STATE }) });
    const response = await app.inject('/messages/abc-1');
    expect(response.statusCode).toBe(200);
    expect(response.json()).toEqual({
      id: 'abc-1',
      status: 'deferred',
      mailbox: MAILBOX.id,
      from: { name: 'Sales', address: 'sales@contoso.com' },
      to: [{ address: 'a@example.com' }],
      cc: [{ name: 'C', address: 'c@example.com' }],
      bcc: [{ address: 'b@example.com' }],
      subject: 'Hello',
      messageId: '<abc-1@contoso.com>',
      metadata: { order: '4711' },
      acceptedAt: '2026-12-01T09:00:00.000Z',
      expiresAt: '2026-12-02T09:00:00.000Z',
      nextAttemptAt: '2026-12-01T09:01:31.000Z',
      attempts: [
        {
          at: '2026-12-01T09:00:01.000Z',
          durationMs: 812,
          outcome: 'deferred',
          reply: { code: 451, enhanced: '4.7.0', text: 'Temporary server error.' },
          explanation: 'Exchange is busy.',
          fix: 'Nothing: it is tried again.',
        },
        { at: '2026-12-01T09:00:31.000Z', durationMs: 5, outcome: 'unknown', explanation: 'The connection ended.' },
      ],
      recipients: [
        { address: 'a@example.com', status: 'pending' },
        { address: 'c@example.com', status: 'failed', reply: { code: 550, text: 'No such user' } },
      ],
    });
  });

  test('shows when a message ended, and no next attempt', async () => {
    const { nextAttemptAt: _, ...rest } = STATE;
    const state: MessageState = { ...rest, status: 'sent', finishedAt: new Date('2026-12-01T09:02:00Z') };
    const { app } = openTestApp({ messages: adminOf({ message: MESSAGE, state }) });
    const answer = (await app.inject('/messages/abc-1')).json();
    expect(answer).toMatchObject({ status: 'sent', finishedAt: '2026-12-01T09:02:00.000Z' });
    expect(answer).not.toHaveProperty('nextAttemptAt');
  });

  test('never shows other fields of the store, such as content', async () => {
    const stored = { message: { ...MESSAGE, text: 'secret' }, state: { ...STATE, body: 'secret' }, content: 'secret' };
    const { app } = openTestApp({ messages: adminOf(stored) });
    expect((await app.inject('/messages/abc-1')).body).not.toContain('secret');
  });

  test.each([['unknown'], ['a%20b'], ['..%2f..'], ['a*b'], ['x'.repeat(65)]])(
    'answers 404 for the id %s',
    async (id) => {
      const { app } = openTestApp();
      const response = await app.inject(`/messages/${id}`);
      expect(response.statusCode).toBe(404);
      expect(response.json().type).toBe('urn:relay365:problem:message-not-found');
    },
  );

  test('does not ask the store for an invalid id', async () => {
    const asked: string[] = [];
    const find = async ({ id }: MessageSelector) => {
      asked.push(id);
      return undefined;
    };
    const { app } = openTestApp({ messages: { find } });
    await app.inject('/messages/a*b');
    await app.inject('/messages/a-b');
    expect(asked).toEqual(['a-b']);
  });

  test('answers 503 while Redis is away; the reason goes into the log only', async () => {
    const away = new QueueUnavailableError('Redis is away.', { cause: new Error('ECONNREFUSED 10.1.2.3') });
    const { app, log } = openTestApp({ messages: { find: () => Promise.reject(away) } });
    const response = await app.inject('/messages/abc-1');
    expect(response.statusCode).toBe(503);
    expect(response.headers['retry-after']).toBe('5');
    expect(response.body).not.toContain('10.1.2.3');
    expect(log.join('')).toContain('10.1.2.3');
  });

  test('answers 500 when the record is damaged, and names the message', async () => {
    const damaged = new UnreadableMessageError('abc-1', { cause: new Error('The message is not JSON.') });
    const { app, log } = openTestApp({ messages: { find: () => Promise.reject(damaged) } });
    const response = await app.inject('/messages/abc-1');
    expect([response.statusCode, response.headers['retry-after']]).toEqual([500, undefined]);
    expect(response.json()).toMatchObject({
      type: 'urn:relay365:problem:message-unreadable',
      detail: expect.stringContaining('message abc-1'),
    });
    expect(log.join('')).toContain('The message is not JSON.');
  });

  test.each(['/messages/abc-1', '/messages', '/mailboxes'])(
    'a fault of ours at %s is an internal error, and not an outage of Redis',
    async (url) => {
      const fault = () => Promise.reject(new TypeError('x is not a function'));
      const mailboxAdmin = { ...NO_MAILBOXES, list: fault };
      const { app, log } = openTestApp({ messages: { find: fault, list: fault }, mailboxAdmin });
      const response = await app.inject(url);
      expect([response.statusCode, response.headers['retry-after']]).toEqual([500, undefined]);
      expect(response.json().type).toBe('urn:relay365:problem:internal');
      expect(log.join('')).toContain('x is not a function');
    },
  );
});
