/** Mails that come in by SMTP: what is queued, what goes out of it, and what is answered. */
import { createTransport } from 'nodemailer';
import { describe, expect, test } from 'vitest';
import { startTestRedis } from '../helpers/redis.ts';
import { idOf } from './client.ts';
import { BEGIN, HEAD, KEY, MAIL, MAILBOX, OTHER_KEY, servicesOfFile, type SmtpService, WHOLE_HEAD } from './service.ts';

const { open, openForAll } = servicesOfFile();

const LONG = { timeout: 20_000 };

const hops = (count: number) =>
  'Received: from a.example by b.example; Wed, 25 Nov 2026 10:00:00 +0100\r\n'.repeat(count);

/** What Exchange got, once the mail is over. */
async function sent(service: SmtpService, reply: string) {
  const message = await service.untilFinal(idOf(reply));
  expect(message.status).toBe('sent');
  const { recipients, raw } = service.sandbox.exchange.messages.at(-1) ?? {};
  return { message, recipients, text: raw?.toString('latin1') ?? '' };
}

describe('a mail', () => {
  const service = openForAll({ workers: 1 });

  test('is queued, sent and shown like any other', async () => {
    const client = await service().client();
    const { message } = await sent(service(), await client.send({ data: MAIL }));
    expect(message).toMatchObject({
      mailbox: MAILBOX,
      subject: 'Hello',
      from: { name: 'Shop', address: MAILBOX },
      messageId: '<one@shop.example>',
      attempts: [{ outcome: 'sent', reply: { code: 250 } }],
    });
    expect(service().log.join('')).toContain('"client":"shop"');
  });

  test('goes out byte for byte below its Received', async () => {
    const client = await service().client();
    const body = `..stuffed\r\n.\r\n${'x'.repeat(5_000)}\r\nGrüße 😀\r\n\0\ttab \r\n\r\n`;
    const data = Buffer.from(`${WHOLE_HEAD}\r\n${body.replace(/^\./gm, '..')}`);
    const { text } = await sent(service(), await client.send({ data }));
    const [, received = '', rest] = /^(Received: (?:.*\r\n\t)*.*\r\n)([\s\S]*)$/.exec(text) ?? [];
    expect(received).toMatch(
      /^Received: from client\.example \(\[127\.0\.0\.1\]\)\r\n\tby relay365 with ESMTPSA id [\da-f-]{36};\r\n\t\w{3}, /,
    );
    expect(rest).toBe(Buffer.from(`${WHOLE_HEAD}\r\n${body}\r\n`).toString('latin1'));
  });

  test('in pieces of a byte is the same', async () => {
    const client = await service().client();
    await client.say(`MAIL FROM:<${MAILBOX}>`);
    await client.say('RCPT TO:<a@example.com>');
    await client.say('DATA');
    for (const byte of Buffer.from(`${HEAD}\r\n..\r\n..a\r\n.\r\n`)) {
      client.write(Buffer.from([byte]));
      await new Promise((resolve) => setImmediate(resolve));
    }
    const { text } = await sent(service(), await client.reply());
    expect(text.slice(text.indexOf('\r\n\r\n'))).toBe('\r\n\r\n.\r\n.a\r\n');
  });

  test('that comes back each time it went out is refused in the end', async () => {
    const client = await service().client();
    let reply = await client.send({ data: hops(98) + MAIL });
    const replies = [reply];
    while (reply.startsWith('250 ')) {
      const { text } = await sent(service(), reply);
      reply = await client.send({ data: Buffer.from(text, 'latin1') });
      replies.push(reply);
    }
    expect(replies.map((each) => each.slice(0, 9))).toEqual(['250 2.0.0', '250 2.0.0', '250 2.0.0', '554 5.4.6']);
  });

  test('goes to the recipients of the envelope, and Bcc is removed', async () => {
    const client = await service().client();
    await client.say(`MAIL FROM:<${MAILBOX}> BODY=8BITMIME SMTPUTF8`);
    for (const to of ['someone@example.com', 'hidden@example.com', 'büro@bücher.example'])
      await client.say(`RCPT TO:<${to}>`);
    await client.say('DATA');
    client.write(Buffer.from(`Bcc: hidden@example.com\r\n${MAIL}`));
    const { recipients, text, message } = await sent(service(), await client.say('\r\n.'));
    expect(recipients).toEqual(['someone@example.com', 'hidden@example.com', 'büro@xn--bcher-kva.example']);
    expect(text).not.toContain('hidden');
    expect(message.recipients).toHaveLength(3);
  });

  test('with several To and Cc goes out with one of each', async () => {
    const client = await service().client();
    const lists =
      'To: Mary <m@example.com>,\r\nCc: a@example.com, \xc3\xa0\r\nTo: Gr\xfc <k@example.com>,\r\n\tl@example.com\r\nCC:b@example.com\r\n';
    const data = Buffer.from(`From: ${MAILBOX}\r\n${lists}Subject: Hello\r\n\r\nx`, 'latin1');
    const { text, message } = await sent(service(), await client.send({ data }));
    expect(text.match(/^(?:to|cc):.*(?:\r\n[ \t].*)*/gim)?.map((field) => field.replaceAll('\r', ''))).toEqual([
      'Cc: a@example.com, \xc3\xa0,\n b@example.com',
      'To: Mary <m@example.com>,\n Gr\xfc <k@example.com>,\n\tl@example.com',
    ]);
    expect(message.to.map(({ address }: { address: string }) => address)).toEqual([
      'm@example.com',
      'k@example.com',
      'l@example.com',
    ]);
  });

  test('gets the Date, Message-ID and From that it lacks', async () => {
    const client = await service().client();
    const { text, message } = await sent(service(), await client.send({ data: 'Subject: Alarm\r\n\r\nFire.' }));
    expect(text).toMatch(/^Date: \w{3}, \d{2} \w{3} \d{4} [\d:]{8} \+0000\r$/m);
    expect(text).toContain(`Message-ID: ${message.messageId}\r\n`);
    expect(text).toContain(`From: <${MAILBOX}>\r\n`);
  });

  test('with bare line feeds is sent with whole ones', async () => {
    const client = await service().client();
    const { text } = await sent(service(), await client.send({ data: MAIL.replaceAll('\r\n', '\n') }));
    expect(text).not.toMatch(/(?<!\r)\n/);
    expect(text).toContain('Subject: Hello\r\n');
  });

  test.each([
    ['STARTTLS and PLAIN', 'port', 'PLAIN'],
    ['STARTTLS and LOGIN', 'port', 'LOGIN'],
    ['TLS from the first byte and LOGIN', 'tlsPort', 'LOGIN'],
  ] as const)('comes by %s, several over one connection', async (_title, port, authMethod) => {
    const common = { host: 'localhost', port: service()[port], secure: port === 'tlsPort', requireTLS: true };
    const transport = createTransport({ ...common, pool: true, maxConnections: 1, authMethod, auth: { ...KEY } });
    for (const subject of ['one', 'two']) {
      const { response } = await transport.sendMail({ from: MAILBOX, to: 'a@example.com', subject, text: 'x' });
      expect((await service().look(idOf(response))).body).toMatchObject({ subject });
    }
    transport.close();
  });
});

describe('a mail that comes again', () => {
  const service = openForAll();

  test('because its 250 was not heard, counts once', async () => {
    const first = idOf(await (await service().client()).send({ data: MAIL }));
    const client = await service().client();
    expect(idOf(await client.send({ data: MAIL }))).toBe(first);
    expect((await service().list()).body.items).toHaveLength(1);
  });

  test.each([
    ['with other bytes', { data: `${MAIL}.` }, KEY],
    ['to other recipients', { data: MAIL, to: ['another@example.com'] }, KEY],
    ['from another key', { data: MAIL }, OTHER_KEY],
  ])('%s is another one', async (_title, again, login) => {
    const first = idOf(await (await service().client()).send({ data: MAIL }));
    expect(idOf(await (await service().client(login)).send(again))).not.toBe(first);
  });

  test('without a Message-ID is another one', async () => {
    const client = await service().client();
    const data = `${HEAD}\r\nAlarm.`;
    expect(idOf(await client.send({ data }))).not.toBe(idOf(await client.send({ data })));
  });
});

describe('a mail that cannot be taken', () => {
  const service = openForAll({
    yaml: `{mailboxes: [{address: ${MAILBOX}, limits: {messageSizeMegabytes: 1}}],
      apiKeys: [{name: narrow, hash: "sha256:${'a'.repeat(64)}", senders: ["@contoso.com"]}]}`,
    env: { SMTP_IN_TRUSTED_NETWORKS: '127.0.0.1/32=narrow' },
  });

  test.each([
    ['from someone else', { data: MAIL.replace(MAILBOX, 'boss@contoso.com') }, /^550 5\.7\.1 .*use one of: sandbox@/],
    ['from no address', { data: MAIL.replace(MAILBOX, 'root') }, /^554 5\.6\.0 From: The address /],
    ['without a header', { data: 'Hello.' }, /^554 5\.6\.0 body: /],
    ['with two senders', { data: `From: ${MAILBOX}\r\n${MAIL}` }, /^554 5\.6\.0 From: Appears more than once/],
    ['with a sender beside From', { data: `Sender: a@b.example\r\n${MAIL}` }, /^554 5\.6\.0 Sender: /],
    ['that is in a loop', { data: hops(101) + MAIL }, /^554 5\.4\.6 Received: The message has passed 101 servers/],
    ['to no address', { data: MAIL, to: ['a"b@example.com'] }, /^501 5\.1\.3 The address /],
    ['to an address without a domain', { data: MAIL, to: ['postmaster'] }, /^501 5\.1\.3 /],
    ['to nobody', { data: MAIL, to: [] }, /^503 5\.5\.1 /],
    ['that is too large', { data: `${MAIL}\r\n${`${'x'.repeat(76)}\r\n`.repeat(14_000)}` }, /^552 5\.3\.4 /],
    ['that is too large with what is added', { data: `${MAIL}${' '.repeat(1024 ** 2 - 250)}` }, /^552 5\.3\.4 /],
  ])('%s is refused for good', async (_title, mail, reply) => {
    const client = await service().client();
    expect(await client.send(mail)).toMatch(reply);
    expect((await service().list()).body.items).toHaveLength(0);
  });

  test('is refused at once when its size is announced', async () => {
    const client = await service().client();
    expect(await client.greet()).toContain('SIZE 1048576');
    expect(await client.say(`MAIL FROM:<${MAILBOX}> SIZE=1048577`)).toMatch(/^552 5\.3\.4 /);
    expect(await client.say(`MAIL FROM:<${MAILBOX}> SIZE=1048576`)).toMatch(/^250 /);
  });

  test('because its key may not send it names the reason', async () => {
    const client = await service().greeted();
    expect(await client.send({ data: MAIL })).toMatch(/^550 5\.7\.1 from: This API key may only send as: /);
  });
});

test('a mail from a key of one pool goes through the pool', async () => {
  const service = await open({
    yaml: `{mailboxes: [{address: ${MAILBOX}}], pools: [{name: team, mailboxes: [${MAILBOX}]}],
      apiKeys: [{name: pooled, hash: "sha256:${'c'.repeat(64)}", mailboxes: [team]}]}`,
    env: { SMTP_IN_TRUSTED_NETWORKS: '127.0.0.1/32=pooled' },
  });
  const client = await service.greeted();
  idOf(await client.send({ data: MAIL }));
  expect(service.log.join('')).toMatch(/"mailbox":"team".*"client":"pooled".*"msg":"accepted"/);
});

test('a mail to more than 500 recipients is taken for 500', async () => {
  const service = await open();
  const client = await service.client();
  await client.say(`MAIL FROM:<${MAILBOX}>`);
  client.write(Array.from({ length: 530 }, (_, n) => `RCPT TO:<n${n}@example.com>\r\n`).join(''));
  const replies: string[] = [];
  while (replies.length < 530) replies.push((await client.reply()).slice(0, 9));
  expect(replies.slice(0, 500)).toEqual(Array.from({ length: 500 }, () => '250 2.1.5'));
  expect(replies.slice(500)).toEqual(Array.from({ length: 30 }, () => '452 4.5.3'));
  await client.say('DATA');
  const { body } = await service.look(idOf(await client.say(`${MAIL}\r\n.`)));
  expect(body.recipients).toHaveLength(500);
});

describe('a trouble that passes', () => {
  test('is answered 4xx while Redis is away, and ends when it is back', async () => {
    const own = await startTestRedis();
    const service = await open({ location: own.location });
    const client = await service.client();
    await own.stop();
    expect(await client.send({ data: MAIL })).toMatch(/^451 4\.3\.0 /);
    await own.start();
    await expect.poll(() => client.send({ data: MAIL }), { timeout: 20_000 }).toMatch(/^250 /);
    await own.close();
  });

  test('is answered 452 when the queue is full', async () => {
    const service = await open({ env: { QUEUE_MESSAGES_MAX: '1' } });
    const client = await service.client();
    idOf(await client.send({ data: `${HEAD}\r\n1` }));
    await expect.poll(() => client.send({ data: `${HEAD}\r\n2` }), { timeout: 20_000 }).toMatch(/^452 4\.3\.1 /);
  });

  test('is answered 451 when the key has reached its limit of requests', async () => {
    const yaml = `apiKeys: [{name: slow, hash: "sha256:${'b'.repeat(64)}", requestsPerMinute: 1}]`;
    const service = await open({ yaml, env: { SMTP_IN_TRUSTED_NETWORKS: '127.0.0.1/32=slow' } });
    const client = await service.greeted();
    idOf(await client.send({ data: MAIL }));
    expect(await client.send({ data: `${MAIL}2` })).toMatch(/^451 4\.7\.1 The key slow may make 1 requests a minute/);
  });

  test('keeps no more of a mail that is refused for it, so that another one gets through', async () => {
    const service = await open({ limits: { receivingBytes: 200_000 } });
    const [first, second] = [await service.client(), await service.client()];
    for (const client of [first, second]) for (const line of BEGIN) await client.say(line);
    const part = `${HEAD}\r\n${'x'.repeat(120_000)}`;
    first.write(part);
    // By then it has been read: it gets no more than the rest.
    await expect
      .poll(async () => (await service.client()).say(`MAIL FROM:<${MAILBOX}> SIZE=100000`), LONG)
      .toMatch(/^452 /);
    second.write(part);
    await expect
      .poll(async () => (await service.client()).say(`MAIL FROM:<${MAILBOX}> SIZE=60000`), LONG)
      .toMatch(/^250 /);
    idOf(await first.say('\r\n.'));
    expect(await second.say('\r\n.')).toMatch(/^452 4\.3\.1 /);
  });

  test('is answered 452 when too many messages are in progress', async () => {
    const service = await open({ limits: { receivingBytes: 1_000 } });
    const client = await service.client();
    expect(await client.send({ data: `${MAIL}${'x'.repeat(2_000)}` })).toMatch(/^452 4\.3\.1 /);
    expect(await client.say(`MAIL FROM:<${MAILBOX}> SIZE=1001`)).toMatch(/^452 4\.3\.1 /);
    expect(await client.send({ data: MAIL })).toMatch(/^250 /);
  });
});

describe('a sender that Exchange would refuse', () => {
  const service = openForAll({
    workers: 1,
    yaml: `smtpIn: {rewriteFrom: [${KEY.user}]}`,
  });
  const mail = (from: string, more = '') => `From: ${from}\r\n${more}To: a@example.com\r\nSubject: Scan\r\n\r\nx`;

  test.each([
    ['Scanner <scanner@local>', '', `"Scanner" <${MAILBOX}>`, '"Scanner" <scanner@local>'],
    ['scanner@local', '', `<${MAILBOX}>`, '<scanner@local>'],
    ['=?utf-8?q?B=C3=BCro?= <b@local>', '', `=?UTF-8?B?QsO8cm8=?= <${MAILBOX}>`, '=?UTF-8?B?QsO8cm8=?= <b@local>'],
    ['scanner@local', 'Reply-To: help@contoso.com\r\n', `<${MAILBOX}>`, 'help@contoso.com'],
    ['root', '', `<${MAILBOX}>`, undefined],
  ])('%s %s gives way by rule', async (from, more, newFrom, replyTo) => {
    const client = await service().client();
    const data = mail(from, `${more}Sender: scanner@local\r\n`);
    const { text } = await sent(service(), await client.send({ from: 'user.@local', data }));
    expect(text.match(/^(?:From|Sender):.*(?=\r)/gm)).toEqual([`From: ${newFrom}`]);
    expect(text.match(/^Reply-To:.*(?=\r)/gm) ?? []).toEqual(replyTo === undefined ? [] : [`Reply-To: ${replyTo}`]);
  });

  test('stays where it may send', async () => {
    const client = await service().client();
    const { text } = await sent(service(), await client.send({ data: mail(`Shop <${MAILBOX}>`) }));
    expect(text).toContain(`From: Shop <${MAILBOX}>\r\n`);
    expect(text).not.toContain('Reply-To');
  });

  test('is refused for other keys', async () => {
    const client = await service().client(OTHER_KEY);
    expect(await client.send({ data: mail('scanner@local') })).toMatch(/^550 5\.7\.1 /);
  });
});
