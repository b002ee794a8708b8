/** What devices and old scripts say in place of what RFC 5321 asks for: taken where it can mean only one thing. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { describe, expect, test } from 'vitest';
import { connectClient, idOf } from './client.ts';
import { BEGIN, HEAD, MAIL, MAILBOX, servicesOfFile } from './service.ts';

const { open, openForAll } = servicesOfFile();
const OLD = { minVersion: 'TLSv1', maxVersion: 'TLSv1', ciphers: 'ALL:@SECLEVEL=0' } as const;
const trusted = { SMTP_IN_TRUSTED_NETWORKS: '127.0.0.1/32=shop' };

describe('a device', () => {
  const service = openForAll({ env: trusted, workers: 1 });

  test.each([
    ['EHLO [192.168.10.21]', '[192.168.10.21]'],
    ['EHLO 192.168.10.21', '192.168.10.21'],
    ['EHLO [IPv6:fe80::1]', '[ipv6:fe80::1]'],
    ['EHLO ricoh_mp', 'ricoh_mp'],
    ['ehlo RICOH MP C3004', 'ricoh-mp-c3004'],
    ['HELO KONICA MINOLTA ', 'konica-minolta'],
    ['HELO', 'unknown'],
    ['EHLO ', 'unknown'],
    ['EHLO (none)', 'unknown'],
    ['EHLO büro', 'unknown'],
  ])('may say %j', async (hello, name) => {
    const client = await connectClient(service().port);
    expect(await client.say(hello)).toMatch(/^250[ -]relay365/);
    const { status } = await service().untilFinal(idOf(await client.send({ data: `${HEAD}\r\nx` })));
    expect(status).toBe('sent');
    expect(service().sandbox.exchange.messages.at(-1)?.raw.toString()).toContain(`from ${name} ([127.0.0.1])`);
  });

  test.each([
    'MAIL FROM: <scanner@local>',
    'mail from:<scanner@local>',
    'MAIL FROM:scanner@local',
    'MAIL FROM: scanner@local SIZE=100 BODY=8BITMIME',
    'MAIL FROM:< scanner@local >',
    'MAIL FROM:<>',
    'MAIL FROM:',
    'MAIL FROM:<scanner>',
    'MAIL FROM:scanner',
    'MAIL FROM:<Ricoh MP@local> SIZE=100',
    'MAIL FROM:"Scanner" <scanner@local>',
    'MAIL FROM:<scanner@local>SIZE=100',
    'MAIL FROM:<root@[192.168.10.21]>',
  ])('may say %s, for the sender is that of From', async (line) => {
    const client = await service().greeted();
    expect(await client.say(line)).toBe('250 2.1.0 Accepted');
    for (const next of BEGIN.slice(1)) await client.say(next);
    client.write(MAIL);
    idOf(await client.say('\r\n.'));
  });

  test.each([
    ['of 36 MB', 'MAIL FROM:<scanner> SIZE=37748736', /^552 5\.3\.4 /],
    ['with what was not offered', 'MAIL FROM:<scanner> FOO=1', /^555 5\.5\.4 /],
    ['without a colon', 'MAIL <scanner@local>', /^501 5\.1\.7 Invalid sender: use MAIL FROM:<name@example\.com>$/],
    ['with a control character', 'MAIL FROM:<scan\u0007ner>', /^501 5\.1\.7 /],
  ])('may not announce a mail %s', async (_title, line, reply) => {
    expect(await (await service().greeted()).say(line)).toMatch(reply);
  });

  test.each(['RCPT TO: <a@example.com>', 'rcpt to:a@example.com', 'RCPT TO: a@example.com NOTIFY=NEVER'])(
    'may say %s',
    async (line) => {
      const client = await service().greeted();
      await client.say(BEGIN[0] ?? '');
      expect(await client.say(line)).toBe('250 2.1.5 Accepted');
      await client.say('DATA');
      client.write(MAIL);
      const { recipients } = await service().untilFinal(idOf(await client.say('\r\n.')));
      expect(recipients).toMatchObject([{ address: 'a@example.com' }]);
    },
  );

  test.each([
    'RCPT TO:a@example.com, b@example.com',
    'RCPT TO:<a@example.com;b@example.com>',
    'RCPT TO:a@example.com <b@example.com>',
    'RCPT TO:scanner',
    'RCPT TO:',
  ])('must not say %s', async (line) => {
    const client = await service().greeted();
    await client.say(BEGIN[0] ?? '');
    expect(await client.say(line)).toMatch(
      /^(?:501 5\.1\.3 Invalid recipient: use RCPT TO:<name@example\.com>|555 5\.5\.4 )/,
    );
  });

  test('may end its commands with bare line feeds, and go without QUIT', async () => {
    const client = await service().greeted();
    client.write(`${BEGIN.join('\n')}\n`);
    for (const code of ['250', '250', '354']) expect((await client.reply()).slice(0, 3)).toBe(code);
    client.write(MAIL);
    idOf(await client.say('\r\n.'));
    client.end();
    expect(service().log.join('')).not.toContain('"level":50');
  });

  test.each(['To: root', 'To: all staff', 'To: root\r\nCc: the boss <>', 'To: undisclosed recipients'])(
    'may call its recipients what it likes (%j), for those of the envelope count',
    async (fields) => {
      const client = await service().greeted();
      const data = `From: ${MAILBOX}\r\n${fields}\r\nSubject: Cron <root@shop> backup\r\n\r\nfailed`;
      await client.say(BEGIN[0] ?? '');
      await client.say('RCPT TO:<admin@example.com>');
      await client.say('DATA');
      client.write(data);
      const { recipients, status } = await service().untilFinal(idOf(await client.say('\r\n.')));
      expect({ status, recipients }).toMatchObject({ status: 'sent', recipients: [{ address: 'admin@example.com' }] });
      expect(service().sandbox.exchange.messages.at(-1)?.raw.toString()).toContain(`\r\n${fields}\r\n`);
    },
  );

  test('may leave From empty', async () => {
    const client = await service().greeted();
    const data = `From:\r\nTo: a@example.com\r\nSubject: Scan\r\n\r\nx`;
    await service().untilFinal(idOf(await client.send({ data })));
    const raw = service().sandbox.exchange.messages.at(-1)?.raw.toString() ?? '';
    expect(raw.match(/^From:.*(?=\r)/gm)).toEqual([`From: <${MAILBOX}>`]);
  });

  test('that wants another way to log in learns which ways exist', async () => {
    const client = await service().greeted();
    expect(await client.say('AUTH CRAM-MD5')).toBe(
      '504 5.5.4 Use AUTH PLAIN or LOGIN, which menus often call "normal password"',
    );
  });
});

test('a script that ends its message with bare line feeds learns what ends one', async () => {
  const service = await open({ env: trusted, limits: { idleMs: 300 } });
  const client = await service.greeted();
  for (const line of BEGIN) await client.say(line);
  client.write(`${HEAD}\r\nHello\n.\n`);
  expect(await client.reply()).toBe('421 4.4.2 Timeout: the message did not end with CR LF . CR LF');
});

describe('TLS that fails is logged', () => {
  const service = openForAll();
  const logged = () => service().log.filter((line) => line.includes('SMTP: TLS with a client failed'));

  test.each([
    ['TLS 1.0 alone', 'port', OLD, /supports only TLS 1\.1 or older/],
    ['TLS 1.0 alone', 'tlsPort', OLD, /supports only TLS 1\.1 or older/],
    [
      'TLS from the first byte where it is not',
      'port',
      {},
      /speaks TLS from the first byte, but this port is for STARTTLS/,
    ],
  ] as const)('of a client that speaks %s, by the %s', async (_title, port, options, words) => {
    const before = logged().length;
    const client = options === OLD && port === 'port' ? await service().greeted() : undefined;
    const failed = client ? client.startTls(OLD) : once(connectTls({ port: service()[port], ...options }), 'secure');
    await expect(failed).rejects.toThrow();
    await expect.poll(() => logged().length, { timeout: 20_000 }).toBe(before + 1);
    expect(logged().at(-1)).toMatch(words);
    expect(logged().at(-1)).toContain('"ip":"127.0.0.1"');
  });

  test('of a client that speaks none where it is from the first byte', async () => {
    const socket = connect(service().tlsPort, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write('EHLO printer\r\n');
    await expect.poll(() => logged().join(''), { timeout: 20_000 }).toMatch(/does not speak TLS, but this port/);
    socket.destroy();
  });
});
