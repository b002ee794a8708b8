import { describe, expect, test } from 'vitest';
import type { Submission } from '../../../src/core/submit/submission.ts';
import { BATCH_EXAMPLE, FORM_EXAMPLES, RAW_EXAMPLES, SEND_EXAMPLES } from '../../../src/http/schemas/examples.ts';
import { apiKey, MAILBOX, openTestApp } from '../../helpers/app.ts';

const MAIL = { to: 'someone@example.com', subject: 'Hello', text: 'Hello!' };

describe('POST /send that is accepted', () => {
  test('answers 202 with the id, its URL and the times', async () => {
    const { app, queued } = openTestApp();
    const response = await app.inject({ method: 'POST', url: '/send', payload: MAIL });
    const message = queued[0]?.message;
    expect(response.statusCode).toBe(202);
    expect(response.headers.location).toBe(`/messages/${message?.id}`);
    expect(response.json()).toEqual({
      id: message?.id,
      status: 'queued',
      mailbox: MAILBOX.id,
      messageId: message?.messageId,
      acceptedAt: message?.acceptedAt.toISOString(),
      estimatedAt: message?.acceptedAt.toISOString(),
    });
  });

  test('queues every field as it was sent', async () => {
    const { app, queued } = openTestApp();
    const payload = {
      from: 'Sales <sales@contoso.com>',
      to: ['a@example.com', { name: 'Zoë', address: 'zoe@example.com' }],
      cc: 'c@example.com',
      bcc: { address: 'b@example.com' },
      replyTo: ['r@example.com'],
      subject: 'Grüße 🎉',
      text: 'Hallo',
      html: '<p>Hallo</p>',
      headers: { 'X-Order': '17' },
      attachments: [{ filename: 'ä.txt', content: 'aGFs\nbG8=', contentType: 'text/plain', contentId: 'x@y' }],
      calendar: { method: 'request', content: 'BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n' },
      importance: 'high',
      priority: 'low',
      mailbox: MAILBOX.address,
      metadata: { order: '4711' },
    };
    const response = await app.inject({ method: 'POST', url: '/send', payload });
    expect(response.statusCode).toBe(202);
    expect(queued[0]).toMatchObject({
      message: {
        client: 'anonymous',
        mailbox: MAILBOX.id,
        from: { name: 'Sales', address: 'sales@contoso.com' },
        to: [{ address: 'a@example.com' }, { name: 'Zoë', address: 'zoe@example.com' }],
        cc: [{ address: 'c@example.com' }],
        bcc: [{ address: 'b@example.com' }],
        subject: 'Grüße 🎉',
        metadata: { order: '4711' },
        priority: 'low',
      },
      content: {
        replyTo: [{ address: 'r@example.com' }],
        text: 'Hallo',
        html: '<p>Hallo</p>',
        headers: { 'X-Order': '17' },
        attachments: [{ filename: 'ä.txt', content: 'aGFsbG8=', contentType: 'text/plain', contentId: 'x@y' }],
        calendar: { method: 'REQUEST' },
        importance: 'high',
      },
    } satisfies DeepPartial<Submission>);
  });

  test.each(Object.entries(SEND_EXAMPLES))('accepts the documented example "%s"', async (_name, { value }) => {
    const { app, queued } = openTestApp();
    const response = await app.inject({ method: 'POST', url: '/send', payload: value });
    expect(response.json()).toMatchObject({ status: 'queued' });
    expect(queued).toHaveLength(1);
  });

  test('accepts the documented examples of a batch, a form and a raw message', async () => {
    const { app, queued } = openTestApp();
    const post = (url: string, type: string, payload: string | object) =>
      app.inject({ method: 'POST', url, headers: { 'content-type': type }, payload });
    const form = new FormData();
    for (const [name, value] of Object.entries(FORM_EXAMPLES.text.value)) form.append(name, String(value));
    const { headers, body } = new Response(form);
    const bytes = Buffer.from(await new Response(body).arrayBuffer());
    const answers = [
      await post('/send/batch', 'application/json', BATCH_EXAMPLE),
      await post('/send', headers.get('content-type') ?? '', bytes),
      await post('/send', 'message/rfc822', RAW_EXAMPLES.text.value),
    ];
    expect(answers.map(({ statusCode }) => statusCode)).toEqual([202, 202, 202]);
    expect(queued).toHaveLength(BATCH_EXAMPLE.messages.length + 2);
  });

  test('queues a message under the name of its API key', async () => {
    const { app, queued } = openTestApp({ keys: [apiKey('shop', 'k1'), apiKey('crm', 'k2')] });
    await app.inject({ method: 'POST', url: '/send', headers: { authorization: 'Bearer k2' }, payload: MAIL });
    expect(queued[0]?.message.client).toBe('crm');
  });
});

describe('POST /send of a large message', () => {
  test('accepts a message as large as its mailbox may send', async () => {
    const { app, queued } = openTestApp();
    // 25 MB become about 34 MB in the composed mail.
    const content = Buffer.alloc(25 * 1024 ** 2, 'x').toString('base64');
    const response = await app.inject({
      method: 'POST',
      url: '/send',
      payload: { ...MAIL, attachments: [{ filename: 'x', content }] },
    });
    expect(response.statusCode).toBe(202);
    const kept = queued[0]?.content;
    expect(kept && 'attachments' in kept && kept.attachments[0]?.content).toBe(content);
  });

  test('refuses a message that is too large for its mailbox, with both sizes', async () => {
    const limits = { ...MAILBOX.limits, messageSizeBytesMax: 10_000 };
    const { app, queued } = openTestApp({ mailboxes: [{ ...MAILBOX, limits }] });
    const response = await app.inject({ method: 'POST', url: '/send', payload: { ...MAIL, text: 'x'.repeat(10_000) } });
    expect(response.statusCode).toBe(413);
    expect(response.json()).toMatchObject({ type: 'urn:relay365:problem:message-too-large', sizeBytesMax: 10_000 });
    expect(response.json().sizeBytes).toBeGreaterThan(10_000);
    expect(queued).toHaveLength(0);
  });

  test('refuses a body that no mailbox can send before reading it, with both sizes', async () => {
    const { app } = openTestApp();
    const headers = { 'content-type': 'application/json', 'content-length': '60000000' };
    const response = await app.inject({ method: 'POST', url: '/send', headers, payload: '{' });
    expect(response.statusCode).toBe(413);
    expect(response.json()).toMatchObject({
      type: 'urn:relay365:problem:body-too-large',
      sizeBytes: 60_000_000,
      sizeBytesMax: 56_098_816,
    });
  });
});

describe('POST /send that fails', () => {
  test('answers 403 and the allowed senders when no mailbox may send as from', async () => {
    const { app } = openTestApp();
    const response = await app.inject({ method: 'POST', url: '/send', payload: { ...MAIL, from: 'ceo@fabrikam.com' } });
    expect(response.statusCode).toBe(403);
    expect(response.json().errors).toEqual([
      { field: 'from', message: expect.stringContaining('noreply@contoso.com, sales@contoso.com') },
    ]);
  });

  test('answers 503 with Retry-After when the queue is unavailable; the cause goes into the log only', async () => {
    const cause = new Error('connect ECONNREFUSED 10.1.2.3:6379');
    const { app, log } = openTestApp({ enqueue: async () => ({ kind: 'unavailable', cause }) });
    const response = await app.inject({ method: 'POST', url: '/send', payload: MAIL });
    expect(response.statusCode).toBe(503);
    expect(response.headers['retry-after']).toBe('5');
    expect(response.json().type).toBe('urn:relay365:problem:queue-unavailable');
    expect(response.body).not.toContain('10.1.2.3');
    expect(log.join('')).toContain('10.1.2.3');
  });

  test('hides an unknown error, and logs it in full under the request id', async () => {
    const { app, log } = openTestApp({ outbox: { submit: () => Promise.reject(new Error('secret detail')) } });
    const response = await app.inject({
      method: 'POST',
      url: '/send',
      headers: { 'x-request-id': 'r-17' },
      payload: MAIL,
    });
    expect(response.statusCode).toBe(500);
    expect(response.json()).toEqual({
      type: 'urn:relay365:problem:internal',
      title: 'Internal error',
      status: 500,
      detail: expect.not.stringContaining('secret'),
      requestId: 'r-17',
    });
    const line = log.find((entry) => entry.includes('secret detail'));
    expect(line).toContain('"requestId":"r-17"');
    expect(line).toContain('send.test.ts');
  });

  test('logs neither addresses nor content nor keys', async () => {
    const { app, log } = openTestApp({ keys: [apiKey('shop', 'hunter2')] });
    await app.inject({ method: 'POST', url: '/send', headers: { authorization: 'Bearer hunter2' }, payload: MAIL });
    await app.inject({
      method: 'POST',
      url: '/send?key=hunter2',
      headers: { authorization: 'Bearer hunter2x' },
      payload: MAIL,
    });
    expect(log).not.toHaveLength(0);
    expect(log.join('')).not.toMatch(/someone@example.com|Hello!|hunter2/);
  });
});

type DeepPartial<T> = T extends Date ? T : T extends object ? { [K in keyof T]?: DeepPartial<T[K]> } : T;
