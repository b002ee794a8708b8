import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { untilTrue } from '../helpers/eventually.ts';
import { startTestRedis, type TestRedis } from '../helpers/redis.ts';
import { isFinal, openTestService, type TestService, type TestServiceOptions } from '../helpers/service.ts';

let redis: TestRedis;
beforeAll(async () => {
  redis = await startTestRedis();
});
afterAll(() => redis.close());

const open = (options: Omit<TestServiceOptions, 'location'> = {}): Promise<TestService> =>
  openTestService({ location: redis.location, ...options });

const raw = (service: TestService, n = 0): string => service.sandbox.exchange.messages[n]?.raw.toString() ?? '';

describe('a mail', () => {
  test('goes from POST /send to Exchange, and its status tells the reply', async () => {
    const service = await open();
    const id = await service.send({
      to: ['a@example.com', 'B <b@example.com>'],
      cc: 'c@example.com',
      bcc: 'd@example.com',
    });
    const message = await service.until(id, isFinal);
    expect(message).toMatchObject({
      status: 'sent',
      attempts: [{ outcome: 'sent', reply: { code: 250, enhanced: '2.0.0' } }],
      recipients: ['a', 'b', 'c', 'd'].map((name) => ({ address: `${name}@example.com`, status: 'sent' })),
    });
    expect(service.sandbox.exchange.messages).toHaveLength(1);
    expect(service.sandbox.exchange.messages[0]?.recipients).toEqual(
      ['a', 'b', 'c', 'd'].map((name) => `${name}@example.com`),
    );
    expect(raw(service)).toMatch(/^To: a@example.com, B <b@example.com>\r$/m);
    expect(raw(service)).not.toMatch(/d@example.com/);
  });

  test('is sent again as the same bytes until Exchange takes it', async () => {
    const service = await open();
    const bytes: string[] = [];
    service.sandbox.exchange.script({
      stage: 'end',
      reply: '451 4.7.0 Temporary server error. Please try again later. PRX5',
      accept: true,
      times: 2,
    });
    const message = await service.until(
      await service.send({ html: '<b>ü</b>', attachments: [{ filename: 'a.txt', content: 'eA==' }] }),
      isFinal,
    );
    for (const { raw: taken } of service.sandbox.exchange.messages) bytes.push(taken.toString('latin1'));
    expect(message.attempts.map(({ outcome }: { outcome: string }) => outcome)).toEqual([
      'deferred',
      'deferred',
      'sent',
    ]);
    expect(bytes).toHaveLength(3);
    expect(new Set(bytes).size).toBe(1);
  });

  test('fails at once when Exchange refuses it for good, with the whole reply', async () => {
    const service = await open();
    service.sandbox.exchange.script({ stage: 'end', reply: '554 5.6.0 Corrupt message content' });
    const message = await service.until(await service.send(), isFinal);
    expect(message).toMatchObject({
      status: 'failed',
      attempts: [{ outcome: 'failed', reply: { code: 554, enhanced: '5.6.0', text: 'Corrupt message content' } }],
      recipients: [{ status: 'failed' }],
    });
  });

  test('reaches the others when one recipient is refused, once each', async () => {
    const service = await open();
    service.sandbox.exchange.script({
      stage: 'rcpt',
      recipient: 'gone@example.com',
      reply: '550 5.1.10 Recipient not found',
    });
    const message = await service.until(await service.send({ to: ['a@example.com', 'gone@example.com'] }), isFinal);
    expect(message).toMatchObject({
      status: 'sent',
      recipients: [
        { address: 'a@example.com', status: 'sent' },
        { address: 'gone@example.com', status: 'failed', reply: { code: 550, enhanced: '5.1.10' } },
      ],
    });
    expect(service.sandbox.exchange.messages.map(({ recipients }) => recipients)).toEqual([['a@example.com']]);
  });

  test('is tried again for those alone that were refused for now', async () => {
    const service = await open();
    service.sandbox.exchange.script({
      stage: 'rcpt',
      recipient: 'busy@example.com',
      reply: '432 4.3.2 STOREDRV.Deliver; recipient thread limit exceeded',
    });
    const message = await service.until(await service.send({ to: ['a@example.com', 'busy@example.com'] }), isFinal);
    expect(message.status).toBe('sent');
    expect(service.sandbox.exchange.messages.map(({ recipients }) => recipients)).toEqual([
      ['a@example.com'],
      ['busy@example.com'],
    ]);
  });

  test('of 10 MB arrives byte for byte', async () => {
    const service = await open();
    const content = Buffer.from(Array.from({ length: 10 * 1024 ** 2 }, (_, i) => (i * 7919) % 251)).toString('base64');
    const id = await service.send({ attachments: [{ filename: 'big.bin', content }] });
    expect((await service.until(id, isFinal)).status).toBe('sent');
    const part = raw(service).split('filename=big.bin')[1]?.split('\r\n\r\n')[1]?.split('\r\n--')[0] ?? '';
    expect(part.replaceAll('\r\n', '') === content).toBe(true);
  });

  test('too large for the mailbox is refused at the door, with both sizes', async () => {
    const service = await open();
    const content = 'A'.repeat(36 * 1024 ** 2);
    const { status, body } = await service.request('POST', '/send', {
      to: 'a@example.com',
      attachments: [{ filename: 'x', content }],
    });
    expect([status, body.sizeBytesMax]).toEqual([413, 35 * 1024 ** 2]);
    expect(body.sizeBytes).toBeGreaterThan(35 * 1024 ** 2);
  });
});

describe('the login', () => {
  test('asks for one token and keeps it', async () => {
    const service = await open();
    for (let n = 0; n < 3; n += 1) await service.until(await service.send(), isFinal);
    expect(service.sandbox.entra.issuedCount).toBe(1);
  });

  test('asks anew, once, when Exchange refuses a token that should be good', async () => {
    const service = await open();
    await service.until(await service.send(), isFinal);
    service.sandbox.entra.revokeTokens();
    service.sandbox.exchange.disconnectAll();
    const message = await service.until(await service.send(), isFinal);
    expect(message.attempts).toMatchObject([{ outcome: 'sent' }]);
    expect(service.sandbox.entra.issuedCount).toBe(2);
  });

  test('is by password only when one is set', async () => {
    const service = await open({ env: { SMTP_PASSWORD: 'a-password' } });
    service.sandbox.exchange.setMailbox(service.sandbox.mailbox.address, { password: 'a-password' });
    expect((await service.until(await service.send(), isFinal)).status).toBe('sent');
    expect(service.sandbox.entra.requestCount).toBe(0);
    expect(service.log.join()).toMatch(/December 2026.*logs in by password; Microsoft ends/);
  });
});

describe('a connection that breaks', () => {
  test('before the final dot costs the mail nothing but time', async () => {
    const service = await open();
    service.sandbox.exchange.script({ stage: 'data', drop: true });
    const message = await service.until(await service.send(), isFinal);
    expect(message.attempts).toMatchObject([{ outcome: 'deferred' }, { outcome: 'sent' }]);
    expect(service.sandbox.exchange.messages).toHaveLength(1);
  });

  test('after the final dot leaves the outcome unknown: it is sent again, and says so', async () => {
    const service = await open();
    service.sandbox.exchange.script({ stage: 'end', accept: true, drop: true });
    const message = await service.until(await service.send(), isFinal);
    expect(message.attempts).toMatchObject([{ outcome: 'unknown' }, { outcome: 'sent' }]);
    expect(new Set(service.sandbox.exchange.messages.map(({ messageId }) => messageId)).size).toBe(1);
    expect(service.sandbox.exchange.messages).toHaveLength(2);
  });

  test('after the final dot holds the mail, if that is the policy', async () => {
    const service = await open({ env: { M365_UNKNOWN_POLICY: 'hold' } });
    service.sandbox.exchange.script({ stage: 'end', accept: true, drop: true });
    const id = await service.send();
    const message = await service.until(id, ({ status }) => status === 'held');
    expect(message.attempts).toMatchObject([{ outcome: 'unknown' }]);
    await service.until(await service.send(), isFinal);
    expect(service.sandbox.exchange.messages.filter(({ messageId }) => messageId === message.messageId)).toHaveLength(
      1,
    );
  });

  test('while it was idle is no attempt', async () => {
    const service = await open();
    await service.until(await service.send(), isFinal);
    service.sandbox.exchange.script({ stage: 'mail', reply: '421 4.4.2 Connection timed out.' });
    expect((await service.until(await service.send(), isFinal)).attempts).toMatchObject([{ outcome: 'sent' }]);
  });
});

describe('a fault of the mailbox', () => {
  const held = ({ status }: { status: string }) => status === 'held';

  test('holds all its mails, none fails, and all go out once when it is mended', async () => {
    const service = await open();
    const { entra, exchange, mailbox } = service.sandbox;
    entra.setSecrets(mailbox.clientId, { value: mailbox.clientSecret, expired: true });
    const ids = await Promise.all(Array.from({ length: 100 }, (_, n) => service.send({ subject: `Mail ${n}` })));
    const message = await service.until(ids[0] ?? '', held);
    expect(message.held).toMatchObject({
      explanation: expect.stringContaining('secret has expired'),
      fix: expect.stringContaining('new secret'),
    });
    const { body } = await service.request('GET', `/mailboxes/${mailbox.address}`);
    expect(body).toMatchObject({ state: 'held', reason: { rule: 'secret-expired' } });
    entra.setSecrets(mailbox.clientId, 'the-new-secret');
    exchange.setLimits({ messagesPerMinute: 0 });
    await service.reload({ AZURE_CLIENT_SECRET: 'the-new-secret', M365_MESSAGES_PER_MINUTE: '0' });
    const ended = await service.untilAll(ids, isFinal);
    expect(ended.map(({ status }) => status)).toEqual(ids.map(() => 'sent'));
    expect(exchange.messages.map(({ subject }) => subject).sort()).toEqual(ids.map((_, n) => `Mail ${n}`).sort());
    expect((await service.request('GET', `/mailboxes/${mailbox.address}`)).body.state).toBe('open');
  });

  test('is tried again by itself, and at once when asked', async () => {
    const service = await open();
    const { exchange, mailbox } = service.sandbox;
    exchange.setTenant({ smtpAuthDisabled: true });
    const id = await service.send();
    await service.until(id, held);
    exchange.setTenant({ smtpAuthDisabled: false });
    await service.request('POST', `/mailboxes/${mailbox.address}/resume`);
    const message = await service.until(id, isFinal);
    expect(message.attempts).toMatchObject([
      { outcome: 'held', reply: { code: 535, enhanced: '5.7.139' } },
      { outcome: 'sent' },
    ]);
  });

  test('is probed by one mail at a time, and the mailbox resumes by itself', async () => {
    const service = await open({ env: { M365_MESSAGES_PER_MINUTE: '0' } });
    const { exchange } = service.sandbox;
    const reply = '454 4.7.0 Temporary authentication failure';
    const mend = exchange.script({ stage: 'auth', reply, times: Number.POSITIVE_INFINITY });
    const ids = await Promise.all(Array.from({ length: 20 }, () => service.send()));
    for (const id of ids) await service.until(id, held);
    const probes = async (): Promise<number[]> => {
      const messages = await service.untilAll(ids, () => true);
      const attempts = messages.flatMap(({ attempts: all }) => all as { at: string; outcome: string }[]);
      return attempts
        .filter(({ outcome }) => outcome === 'held')
        .map(({ at }) => Date.parse(at))
        .sort((a, b) => a - b);
    };
    // What was under way meets the fault together; from then on there is one at a time.
    const together = (await probes()).length;
    expect(together).toBeLessThanOrEqual(3);
    await untilTrue(async () => (await probes()).length > together);
    mend();
    const messages = await service.untilAll(ids, isFinal);
    expect(messages.map(({ status }) => status)).toEqual(ids.map(() => 'sent'));
    expect(await probes()).toHaveLength(together + 1);
  });

  test('ends a mail whose time is over, with the reason', async () => {
    const service = await open({ env: { MESSAGE_TTL_HOURS: '0.001' } });
    service.sandbox.exchange.setTenant({ smtpAuthDisabled: true });
    const message = await service.until(await service.send(), isFinal);
    expect(message.status).toBe('expired');
    expect(message.attempts.at(-1)).toMatchObject({
      explanation: expect.stringContaining('SMTP AUTH is turned off'),
      fix: expect.stringContaining('Set-CASMailbox'),
    });
  });

  test('of its own quota slows the mailbox and costs no mail', async () => {
    const service = await open();
    service.sandbox.exchange.setLimits({ recipientsPerDay: 1 });
    await service.until(await service.send(), isFinal);
    const id = await service.send();
    const message = await service.until(id, ({ attempts }) => attempts.length > 0);
    expect(message).toMatchObject({ status: 'queued', attempts: [{ outcome: 'throttled', reply: { code: 554 } }] });
    const { body } = await service.request('GET', `/mailboxes/${service.sandbox.mailbox.address}`);
    expect(body).toMatchObject({ state: 'throttled', reason: { rule: 'submission-quota' } });
  });

  test('a pause keeps every mail until the mailbox is resumed', async () => {
    const service = await open();
    const { address } = service.sandbox.mailbox;
    expect((await service.request('POST', `/mailboxes/${address}/pause`)).body.state).toBe('paused');
    const id = await service.send();
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect((await service.request('GET', `/messages/${id}`)).body.status).toBe('queued');
    expect((await service.request('POST', `/mailboxes/${address}/resume`)).body.state).toBe('open');
    expect((await service.until(id, isFinal)).status).toBe('sent');
  });
});
