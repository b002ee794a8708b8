/** Mails that come in by SMTP: what is queued, what goes out of it, and what is answered. */
import { createTransport } from 'nodemailer';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestRedis, type TestRedis } from '../helpers/redis.ts';
import { idOf } from './client.ts';
import { KEY, MAILBOX, openSmtpService, type SmtpService, type SmtpServiceOptions } from './service.ts';

let redis: TestRedis;
beforeAll(async () => {
  redis = await startTestRedis();
});
afterAll(() => redis.close());
const open = (options: Partial<SmtpServiceOptions> = {}) => openSmtpService({ location: redis.location, ...options });

const HEAD = `From: Shop <${MAILBOX}>\r\nTo: someone@example.com\r\nSubject: Hello\r\n`;
const WHOLE = `${HEAD}Date: Wed, 25 Nov 2026 10:00:00 +0100\r\nMessage-ID: <one@shop.example>\r\n`;
const MAIL = `${WHOLE}\r\nHello there.`;

/** The bytes that Exchange got, and to whom, once the mail is over. */
async function sent(service: SmtpService, reply: string) {
  const message = await service.untilFinal(idOf(reply));
  expect(message.status).toBe('sent');
  const stored = service.sandbox.exchange.messages.at(-1);
  return { message, recipients: stored?.recipients, text: stored?.raw.toString('latin1') ?? '' };
}

describe('a mail', () => {
  test('is queued, sent and told of like any other', async () => {
    const service = await open({ workers: 1 });
    const client = await service.client();
    const { message } = await sent(service, await client.send({ data: MAIL }));
    expect(message).toMatchObject({
      mailbox: MAILBOX,
      subject: 'Hello',
      from: { name: 'Shop', address: MAILBOX },
      messageId: '<one@shop.example>',
      attempts: [{ outcome: 'sent', reply: { code: 250 } }],
    });
    expect(service.log.join('')).toContain('"client":"shop"');
  });

  test('goes out byte for byte below its Received', async () => {
    const service = await open({ workers: 1 });
    const client = await service.client();
    const body = `..stuffed\r\n.\r\n${'x'.repeat(5_000)}\r\nGr\u00fc\u00dfe \u{1f600}\r\n\ttab \r\n\r\n`;
    const stuffed = body.replace(/^\./gm, '..');
    const { text } = await sent(service, await client.send({ data: Buffer.from(`${WHOLE}\r\n${stuffed}`) }));
    const [, received = '', rest = ''] = /^(Received: (?:.*\r\n[\t])*.*\r\n)([\s\S]*)$/.exec(text) ?? [];
    expect(received).toMatch(
      /^Received: from client\.example \(\[127\.0\.0\.1\]\)\r\n\tby relay365 with ESMTPSA id [\da-f-]{36};\r\n\t\w{3}, /,
    );
    expect(rest).toBe(Buffer.from(`${WHOLE}\r\n${body}\r\n`).toString('latin1'));
  });

  test('goes to the recipients of the envelope, and Bcc is told to nobody', async () => {
    const service = await open({ workers: 1 });
    const client = await service.client();
    const to = ['someone@example.com', 'hidden@example.com', 'b\u00fcro@b\u00fccher.example'];
    const data = Buffer.from(`Bcc: hidden@example.com\r\n${MAIL}`);
    const { recipients, text, message } = await sent(service, await client.send({ to, data }));
    expect(recipients).toEqual(['someone@example.com', 'hidden@example.com', 'b\u00fcro@xn--bcher-kva.example']);
    expect(text).not.toContain('hidden');
    expect(message.recipients).toHaveLength(3);
  });

  test('gets the Date, Message-ID and From that it lacks', async () => {
    const service = await open({ workers: 1 });
    const client = await service.client();
    const { text, message } = await sent(service, await client.send({ data: 'Subject: Alarm\r\n\r\nFire.' }));
    expect(text).toMatch(/^Date: \w{3}, \d{2} \w{3} \d{4} [\d:]{8} \+0000\r$/m);
    expect(text).toContain(`Message-ID: ${message.messageId}\r\n`);
    expect(text).toContain(`From: <${MAILBOX}>\r\n`);
  });

  test('with bare line feeds is sent with whole ones', async () => {
    const service = await open({ workers: 1 });
    const client = await service.client();
    const { text } = await sent(service, await client.send({ data: MAIL.replaceAll('\r\n', '\n') }));
    expect(text).not.toMatch(/(?<!\r)\n/);
    expect(text).toContain('Subject: Hello\r\n');
  });

  test.each([
    ['STARTTLS and PLAIN', 'port', 'PLAIN'],
    ['STARTTLS and LOGIN', 'port', 'LOGIN'],
    ['TLS from the first byte and LOGIN', 'tlsPort', 'LOGIN'],
  ] as const)('comes by %s, several over one connection', async (_title, port, authMethod) => {
    const service = await open();
    const transport = createTransport({
      host: 'localhost',
      port: service[port],
      secure: port === 'tlsPort',
      requireTLS: true,
      pool: true,
      maxConnections: 1,
      authMethod,
      auth: KEY,
    });
    for (const subject of ['one', 'two']) {
      const { response } = await transport.sendMail({ from: MAILBOX, to: 'a@example.com', subject, text: 'x' });
      const { body } = await service.look(idOf(response));
      expect(body).toMatchObject({ subject, status: 'queued' });
    }
    transport.close();
  });
});

describe('a mail that comes again', () => {
  test('because its 250 was not heard, counts once', async () => {
    const service = await open();
    const first = idOf(await (await service.client()).send({ data: MAIL }));
    const client = await service.client();
    expect(idOf(await client.send({ data: MAIL }))).toBe(first);
    expect((await service.list()).body.items).toHaveLength(1);
  });

  test.each([
    ['other bytes', { data: `${MAIL}.` }],
    ['other recipients', { data: MAIL, to: ['another@example.com'] }],
  ])('with %s is another one', async (_title, again) => {
    const service = await open();
    const client = await service.client();
    const first = idOf(await client.send({ data: MAIL }));
    expect(idOf(await client.send(again))).not.toBe(first);
  });

  test('from another key is another one', async () => {
    const service = await open();
    const first = idOf(await (await service.client()).send({ data: MAIL }));
    const other = await service.client({ login: { user: 'crm', pass: 'second-secret' } });
    expect(idOf(await other.send({ data: MAIL }))).not.toBe(first);
  });

  test('without a Message-ID is another one', async () => {
    const client = await (await open()).client();
    const data = `${HEAD}\r\nAlarm.`;
    expect(idOf(await client.send({ data }))).not.toBe(idOf(await client.send({ data })));
  });
});

describe('a mail that can not be taken', () => {
  test.each([
    ['from someone else', { data: MAIL.replace(MAILBOX, 'boss@contoso.com') }, /^550 5\.7\.1 .*use one of: sandbox@/],
    ['from no address', { data: MAIL.replace(MAILBOX, 'root') }, /^554 5\.6\.0 From: The address /],
    ['without a header', { data: 'Hello.' }, /^554 5\.6\.0 body: /],
    ['with two senders', { data: `From: ${MAILBOX}\r\n${MAIL}` }, /^554 5\.6\.0 From: Stands in the header more/],
    ['to no address', { data: MAIL, to: ['some one@example.com'] }, /^501 5\.1\.3 /],
    ['to an address without a domain', { data: MAIL, to: ['postmaster'] }, /^501 5\.1\.3 /],
    ['to nobody', { data: MAIL, to: [] }, /^503 5\.5\.1 /],
  ])('%s is refused for good', async (_title, mail, reply) => {
    const service = await open();
    const client = await service.client();
    expect(await client.send(mail)).toMatch(reply);
    expect((await service.list()).body.items).toHaveLength(0);
  });

  test('because its key may not send so, is told why', async () => {
    const hash = 'a'.repeat(64);
    const yaml = `apiKeys: [{name: shop2, hash: "sha256:${hash}", senders: ["@contoso.com"]}]`;
    const service = await open({ yaml, env: { SMTP_IN_TRUSTED_NETWORKS: '127.0.0.1/32=shop2' } });
    const client = await service.client({ tls: false });
    expect(await client.send({ data: MAIL })).toMatch(/^550 5\.7\.1 from: This API key may not send as this address/);
  });

  test.each([
    ['a size that it tells', `MAIL FROM:<${MAILBOX}> SIZE=1048577`],
    ['its bytes', undefined],
  ])('for %s is refused with 552', async (_title, mail) => {
    const service = await open({ yaml: sized(1) });
    const client = await service.client();
    expect(await client.greet()).toContain('SIZE 1048576');
    const data = `${MAIL}\r\n${`${'x'.repeat(76)}\r\n`.repeat(14_000)}`;
    expect(mail ? await client.say(mail) : await client.send({ data })).toMatch(/^552 5\.3\.4 /);
    expect(await client.send({ data: MAIL })).toMatch(/^250 /);
  });

  test('to more than 500 recipients is taken for 500', async () => {
    const service = await open();
    const client = await service.client();
    await client.say(`MAIL FROM:<${MAILBOX}>`);
    client.write(Array.from({ length: 530 }, (_, n) => `RCPT TO:<n${n}@example.com>\r\n`).join(''));
    const replies = [];
    for (let n = 0; n < 530; n += 1) replies.push((await client.reply()).slice(0, 9));
    expect(replies.slice(0, 500)).toEqual(Array.from({ length: 500 }, () => '250 2.1.5'));
    expect(replies.slice(500)).toEqual(Array.from({ length: 30 }, () => '452 4.5.3'));
    await client.say('DATA');
    client.write(`${MAIL}\r\n.\r\n`);
    const { body } = await service.look(idOf(await client.reply()));
    expect(body.recipients).toHaveLength(500);
  });
});

describe('a trouble that passes', () => {
  test('is told with 4xx while Redis is away, and over when it is back', async () => {
    const own = await startTestRedis();
    const service = await open({ location: own.location });
    const client = await service.client();
    await own.stop();
    expect(await client.send({ data: MAIL })).toMatch(/^451 4\.3\.0 /);
    await own.start();
    await expect.poll(() => client.send({ data: MAIL })).toMatch(/^250 /);
    await own.close();
  });

  test('is told with 452 when the queue is full', async () => {
    const service = await open({ env: { QUEUE_MESSAGES_MAX: '1' } });
    const client = await service.client();
    idOf(await client.send({ data: `${HEAD}\r\n1` }));
    await expect.poll(() => client.send({ data: `${HEAD}\r\n2` })).toMatch(/^452 4\.3\.1 /);
  });

  test('is told with 451 when the key is out of requests', async () => {
    const hash = '0ba3b8ce8b6fa8f3a1f0e5e6a4b3c2d1'.repeat(2);
    const yaml = `apiKeys: [{name: slow, hash: "sha256:${hash}", requestsPerMinute: 1}]`;
    const service = await open({ yaml, env: { SMTP_IN_TRUSTED_NETWORKS: '127.0.0.1/32=slow' } });
    const client = await service.client({ tls: false });
    idOf(await client.send({ data: MAIL }));
    expect(await client.send({ data: `${MAIL}2` })).toMatch(/^451 4\.7\.1 The key slow may make 1 requests a minute/);
  });

  test('is told with 452 when too much is being received', async () => {
    const service = await open({ limits: { receivingBytes: 1_000 } });
    const client = await service.client();
    expect(await client.send({ data: `${MAIL}${'x'.repeat(2_000)}` })).toMatch(/^452 4\.3\.1 /);
    expect(await client.send({ data: MAIL })).toMatch(/^250 /);
  });
});

describe('a sender that Exchange would refuse', () => {
  const rule = 'smtpIn: {rewriteFrom: [shop]}';
  const mail = (from: string, more = '') => `From: ${from}\r\n${more}To: a@example.com\r\nSubject: Scan\r\n\r\nx`;

  test.each([
    ['Scanner <scanner@local>', '', `From: "Scanner" <${MAILBOX}>`, 'Reply-To: "Scanner" <scanner@local>'],
    ['scanner@local', '', `From: <${MAILBOX}>`, 'Reply-To: <scanner@local>'],
    [
      '=?utf-8?q?B=C3=BCro?= <b@local>',
      '',
      `From: =?UTF-8?B?QsO8cm8=?= <${MAILBOX}>`,
      'Reply-To: =?UTF-8?B?QsO8cm8=?= <b@local>',
    ],
    ['scanner@local', 'Reply-To: help@contoso.com\r\n', `From: <${MAILBOX}>`, 'Reply-To: help@contoso.com'],
    ['root', '', `From: <${MAILBOX}>`, undefined],
  ])('%s %s gives way by rule', async (from, more, newFrom, replyTo) => {
    const service = await open({ workers: 1, yaml: rule });
    const client = await service.client();
    const sender = 'Sender: scanner@local\r\n';
    const { text } = await sent(service, await client.send({ from: 'x@local', data: mail(from, more + sender) }));
    expect(text.match(/^(?:From|Sender):.*(?=\r)/gm)).toEqual([newFrom]);
    expect(text.match(/^Reply-To:.*(?=\r)/gm) ?? []).toEqual(replyTo === undefined ? [] : [replyTo]);
  });

  test('stays where it may send', async () => {
    const service = await open({ workers: 1, yaml: rule });
    const client = await service.client();
    const { text } = await sent(service, await client.send({ data: mail(`Shop <${MAILBOX}>`) }));
    expect(text).toContain(`From: Shop <${MAILBOX}>\r\n`);
    expect(text).not.toContain('Reply-To');
  });

  test('is refused for other keys', async () => {
    const service = await open({ yaml: rule });
    const client = await service.client({ login: { user: 'crm', pass: 'second-secret' } });
    expect(await client.send({ data: mail('scanner@local') })).toMatch(/^550 5\.7\.1 /);
  });
});

/** A limit on the size of the sandbox's mailbox, whose credential is in the environment. */
function sized(megabytes: number): string {
  return `mailboxes: [{address: ${MAILBOX}, limits: {messageSizeMegabytes: ${megabytes}}}]`;
}
