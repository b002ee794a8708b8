/** Clients that are no good, on raw sockets: none does harm, and none is served for long. */
import { describe, expect, test } from 'vitest';
import { connectClient, idOf, openClient } from './client.ts';
import { BEGIN, HEAD, KEY, MAIL, MAILBOX, OTHER_KEY, servicesOfFile } from './service.ts';

const { open, openForAll } = servicesOfFile();

describe('smuggling', () => {
  const service = openForAll();
  const SMUGGLED = `MAIL FROM:<${MAILBOX}>\r\nRCPT TO:<victim@example.com>\r\nDATA\r\n${HEAD}\r\nSmuggled.\r\n.\r\n`;

  test.each(['\n.\n', '\n.\r\n', '\r\n.\n', '\r.\r', '\r\n.\r', '\r.\r\n', '\n.\r', '\r.\n'])(
    'by %j ends no mail, and the mail is refused',
    async (end) => {
      const client = await service().client();
      for (const line of BEGIN) await client.say(line);
      client.write(`${HEAD}\r\nHello.${end}${SMUGGLED}`);
      expect(await client.reply()).toMatch(/^550 5\.6\.11 /);
      expect(await client.say('NOOP')).toMatch(/^250 2\.0\.0 OK/);
      expect((await service().list()).body.items).toHaveLength(0);
    },
  );

  test('by a line feed after the address is a line end, and no more', async () => {
    const client = await service().client();
    client.write(`MAIL FROM:<${MAILBOX}>\nRCPT TO:<a@example.com>\nRSET\r\n`);
    const replies = [await client.reply(), await client.reply(), await client.reply()];
    expect(replies.map((reply) => reply.slice(0, 9))).toEqual(['250 2.1.0', '250 2.1.5', '250 2.0.0']);
  });

  test.each([
    ['a carriage return', '<a@example.com>\rRCPT TO:<b@example.com>'],
    ['a line feed in quotes', '<"a\0b"@example.com>'],
    ['a bracket', '<a@example.com> <b@example.com>'],
    ['a control character', '<a\u0007@example.com>'],
    ['a list', '<a@example.com,b@example.com>'],
  ])('a second recipient by %s is refused', async (_title, path) => {
    const client = await service().client();
    await client.say(BEGIN[0] ?? '');
    expect(await client.say(`RCPT TO:${path}`)).toMatch(/^(?:500|501|555) /);
    expect(await client.say('DATA')).toMatch(/^503 /);
  });

  test.each([
    ['in Latin-1', 'm\xfcller@example.com'],
    ['in more bytes than it needs', 'm\xc0\xae@example.com'],
  ])('a recipient %s is refused: it would be somebody else', async (_title, address) => {
    const client = await service().client();
    await client.say(BEGIN[0] ?? '');
    client.write(Buffer.from(`RCPT TO:<${address}>\r\n`, 'latin1'));
    expect(await client.reply()).toMatch(/^501 5\.1\.3 .*UTF-8/);
  });

  test('what is sent in clear text behind STARTTLS is thrown away', async () => {
    const client = await service().greeted();
    await client.startTls({ injected: `RSET\r\nMAIL FROM:<${MAILBOX}>\r\n` });
    expect(await client.logIn(KEY)).toMatch(/^235 /);
    expect(await client.say('RCPT TO:<a@example.com>')).toMatch(/^503 /);
    expect(await client.send({ data: MAIL })).toMatch(/^250 /);
  });

  test('a line of the header that looks like one of ours stays the client’s', async () => {
    const client = await service().client(OTHER_KEY);
    const helo = 'Received:x\r\nEHLO a<b>;c';
    client.write(`${helo}\r\n`);
    expect(await client.reply()).toMatch(/^500 /);
    expect(await client.reply()).toMatch(/^250-/);
    expect(await client.send({ data: MAIL })).toMatch(/^250 /);
  });
});

describe('a client that is no good', () => {
  const service = openForAll({
    limits: { errors: 5, replies: 40 },
  });
  const replyTo = async (bytes: string | Buffer) => {
    const client = await connectClient(service().port);
    client.write(bytes);
    const reply = await client.reply();
    return [reply, client] as const;
  };

  test.each([
    ['speaks HTTP', 'POST / HTTP/1.1\r\nHost: localhost\r\n\r\nEHLO x\r\nMAIL FROM:<a@b.c>\r\n', /^421 .*HTTP/],
    ['speaks TLS', Buffer.from('16030100a5010000a1030300000a0d0a', 'hex'), /^500 /],
    ['says a line without an end', 'x'.repeat(30_000), /^421 .*too long/],
    ['says a line that is too long', `EHLO ${'x'.repeat(5_000)}\r\n`, /^421 .*too long/],
    ['has a name that is too long', `EHLO ${'x'.repeat(400)}\r\n`, /^501 /],
    ['has a name with NUL', 'EHLO a\0b\r\n', /^501 /],
    ['is in a hurry', 'MAIL FROM:<a@b.example>\r\n', /^503 /],
    ['says nothing', '\r\n', /^500 /],
  ])('that %s is refused', async (_title, bytes, expected) => {
    const [reply] = await replyTo(bytes);
    expect(reply).toMatch(expected);
  });

  test('that talks before it is greeted is sent away', async () => {
    const patient = await open({
      limits: { greetingMs: 60_000 },
      env: { SMTP_IN_TRUSTED_NETWORKS: '10.0.0.0/8=shop' },
    });
    const client = openClient(patient.port);
    client.write('EHLO client.example\r\n');
    expect(await client.reply()).toMatch(/^421 .*talk too soon/);
    await client.closed;
  });

  test('that makes error after error is sent away', async () => {
    const client = await service().client();
    const replies = [];
    for (let n = 0; n < 5; n += 1) replies.push((await client.say(`RCPT TO:<${n}>`)).slice(0, 3));
    expect([...replies, await client.reply()]).toEqual([
      '501',
      '501',
      '501',
      '501',
      '501',
      '421 4.7.0 Too many errors',
    ]);
    await client.closed;
  });

  test('that only plays is sent away', async () => {
    const client = await service().client();
    for (let reply = ''; !reply.startsWith('421 4.7.0 Too many commands'); reply = await client.say('NOOP'));
    await client.closed;
  });

  test('that only plays and has not logged in is sent away sooner', async () => {
    const other = await open({ limits: { repliesBeforeLogin: 5 } });
    const client = await other.greeted();
    client.write('NOOP\r\n'.repeat(1_000));
    await client.until('421 4.7.0 Too many commands');
    await client.closed;
  });

  test('that goes away in the middle of a mail leaves nothing behind', async () => {
    const client = await service().client();
    for (const line of BEGIN) await client.say(line);
    client.write(MAIL);
    client.end();
    const other = await service().client();
    expect(await other.send({ data: MAIL })).toMatch(/^250 /);
    expect((await service().list()).body.items).toHaveLength(1);
    expect(service().log.join('')).not.toContain('"level":50');
  });

  test('that pipelines everything is answered in order', async () => {
    const client = await service().client();
    client.write(`${[...BEGIN, HEAD, 'Piped.', '.', ...BEGIN, HEAD, 'Again.', '.', 'QUIT'].join('\r\n')}\r\n`);
    const replies = [];
    for (let reply = await client.reply(); reply !== ''; reply = await client.reply()) replies.push(reply.slice(0, 9));
    const mail = ['250 2.1.0', '250 2.1.5', '354 End d', '250 2.0.0'];
    expect(replies).toEqual([...mail, ...mail, '221 2.0.0']);
  });
});

describe('connections', () => {
  test('of one client have a limit, and places come back', async () => {
    const service = await open({ limits: { connectionsPerClient: 2 } });
    const clients = [await service.client(), await service.greeted()];
    const third = openClient(service.port);
    expect(await third.reply()).toMatch(/^421 4\.7\.0 Too many connections/);
    await third.closed;
    for (const client of clients) client.end();
    await expect.poll(() => openClient(service.port).reply(), { timeout: 20_000 }).toMatch(/^220 /);
  });

  test('of all clients have a limit', async () => {
    const service = await open({ limits: { connections: 1 } });
    await service.greeted();
    expect(await openClient(service.port).reply()).toMatch(/^421 4\.7\.0 /);
    await openClient(service.tlsPort).closed;
  });
});

describe('time', () => {
  test.each(['port', 'tlsPort'] as const)('without a login is short by the %s', async (port) => {
    const service = await open({ limits: { loginMs: 300 } });
    const client = openClient(service[port]);
    await client.closed;
  });

  test('without a word is short', async () => {
    const service = await open({ limits: { idleMs: 300 } });
    const client = openClient(service.port);
    await client.until('421 4.4.2 Timeout');
  });

  test('for a mail is short for a client that drips', async () => {
    const service = await open({ limits: { dataMs: 300 } });
    const client = await service.client();
    for (const line of BEGIN) await client.say(line);
    const drip = setInterval(() => client.write('x'), 10);
    expect(await client.reply()).toMatch(/^421 4\.4\.2 The message takes too long/);
    clearInterval(drip);
    expect((await service.list()).body.items).toHaveLength(0);
  });

  test('of a session has an end', async () => {
    const service = await open({ limits: { sessionMs: 300 } });
    const client = await service.client();
    const play = setInterval(() => client.write('NOOP\r\n'), 10);
    await client.until('421 4.4.2 The session has reached its time limit');
    clearInterval(play);
  });
});

test('a mail of nothing but dots is taken whole', async () => {
  const service = await open({ workers: 1 });
  const client = await service.client();
  const id = idOf(await client.send({ data: `${HEAD}\r\n${'..\r\n'.repeat(30_000)}` }));
  await service.untilFinal(id);
  const [sent] = service.sandbox.exchange.messages;
  const body = sent?.raw.subarray(sent.raw.indexOf('\r\n\r\n') + 4).toString();
  expect(body === `${'.\r\n'.repeat(30_000)}\r\n`).toBe(true);
});
