/** Who may send by SMTP, and who may not: there is no open relay. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { describe, expect, onTestFinished, test } from 'vitest';
import { WRONG_KEYS_MAX } from '../../src/core/submit/key-guard.ts';
import { connectClient, idOf } from './client.ts';
import { BEGIN, KEY, MAIL, OTHER_KEY, servicesOfFile } from './service.ts';

const { open, openForAll } = servicesOfFile();

const base64 = (text: string) => Buffer.from(text).toString('base64');

describe('a login', () => {
  const end = (days: number) => new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10);
  const entry = (name: string, more: string) =>
    `{name: ${name}, hash: "sha256:${createHash('sha256').update(`${name}-secret`).digest('hex')}", ${more}}`;
  const service = openForAll({
    yaml: `apiKeys: [${entry('reader', 'scopes: [read]')}, ${entry('old', `expires: ${end(-2)}`)}]`,
  });

  test.each([
    ['right', { user: 'shop', pass: 'first-secret' }, /^235 2\.7\.0 /],
    ['of a wrong secret', { user: 'shop', pass: 'second-secret' }, /^535 5\.7\.8 /],
    ['of a wrong name', { user: 'shop2', pass: 'first-secret' }, /^535 5\.7\.8 /],
    ['of an empty secret', { user: 'shop', pass: '' }, /^535 5\.7\.8 /],
    ['of an expired key', { user: 'old', pass: 'old-secret' }, /^535 5\.7\.8 /],
    ['of a key that may only read', { user: 'reader', pass: 'reader-secret' }, /^535 5\.7\.1 .*lacks the scope "send"/],
    ['as another', { user: 'crm\0shop', pass: 'first-secret' }, /^50[01] /],
  ])('that is %s', async (_title, login, reply) => {
    const client = await service().greeted();
    await client.startTls();
    expect(await client.logIn(login)).toMatch(reply);
  });

  test.each([
    ['PLAIN in two steps', ['AUTH PLAIN', base64('\0shop\0first-secret')]],
    ['PLAIN with the name given twice', [`AUTH PLAIN ${base64('shop\0shop\0first-secret')}`]],
    ['LOGIN', ['AUTH LOGIN', base64('shop'), base64('first-secret')]],
    ['LOGIN with the name at once', [`AUTH LOGIN ${base64('shop')}`, base64('first-secret')]],
  ])('by %s', async (_title, lines) => {
    const client = await service().greeted();
    expect(await client.startTls()).toContain('AUTH PLAIN LOGIN');
    const replies = [];
    for (const line of lines) replies.push((await client.say(line)).slice(0, 3));
    expect(replies).toEqual([...lines.slice(1).map(() => '334'), '235']);
  });

  test('that was broken off, is wrong or in the name of another lets nobody send', async () => {
    const client = await service().greeted();
    await client.startTls();
    const attempts = [
      ['AUTH PLAIN', '*'],
      ['AUTH LOGIN', base64('shop'), '*'],
      ['AUTH LOGIN', base64('shop'), base64('guess')],
      [`AUTH PLAIN ${base64('crm\0shop\0first-secret')}`],
      ['AUTH CRAM-MD5'],
      ['AUTH XOAUTH2 x'],
    ];
    for (const lines of attempts) {
      let reply = '';
      for (const line of lines) reply = await client.say(line);
      expect(reply).toMatch(/^5/);
      expect(await client.say(BEGIN[0] ?? '')).toMatch(/^530 5\.7\.0 /);
    }
  });

  test('comes once in a session', async () => {
    const client = await service().client();
    expect(await client.logIn(OTHER_KEY)).toMatch(/^503 /);
  });

  test('without TLS is neither offered nor checked', async () => {
    const client = await service().greeted();
    expect(await client.greet()).not.toContain('AUTH');
    expect(await client.logIn(KEY)).toMatch(/^530 5\.7\.0 Must issue a STARTTLS command first/);
    expect(await client.say('AUTH LOGIN')).toMatch(/^530 5\.7\.0 /);
    expect(await client.say(BEGIN[0] ?? '')).toMatch(/^530 5\.7\.0 /);
  });

  test('in clear text is forgotten with TLS, and so is what was said', async () => {
    const client = await service().greeted();
    await client.startTls();
    expect(await client.say(BEGIN[0] ?? '')).toMatch(/^530 /);
  });
});

describe('without a login', () => {
  const service = openForAll();

  test.each(['port', 'tlsPort'] as const)('nobody sends by the %s', async (port) => {
    const client = await connectClient(service()[port], { tls: port === 'tlsPort' });
    for (const hello of ['HELO client.example', 'EHLO client.example']) {
      await client.say(hello);
      const replies = [];
      for (const line of BEGIN) replies.push(await client.say(line));
      expect(replies).toEqual([
        expect.stringMatching(/^530 5\.7\.0 /),
        expect.stringMatching(/^503 /),
        expect.stringMatching(/^503 /),
      ]);
    }
    expect((await service().list()).body.items).toHaveLength(0);
  });

  test.each([
    'XCLIENT ADDR=127.0.0.1 LOGIN=shop',
    'XFORWARD ADDR=127.0.0.1',
    'PROXY TCP4 127.0.0.1 127.0.0.1 1 2',
    'WIZ shop',
    'SHELL',
    'KILL',
    'LHLO client.example',
    'BDAT 1 LAST',
    'EXPN list',
    'TURN',
    'ETRN example.com',
  ])('%s is no way in', async (line) => {
    const client = await service().greeted();
    expect(await client.say(line)).toMatch(/^500 /);
    expect(await client.say(BEGIN[0] ?? '')).toMatch(/^530 /);
  });
});

describe('TLS', () => {
  const service = openForAll();
  const shake = (options: ConnectionOptions): Promise<string> =>
    new Promise((resolve) => {
      const socket = connectTls({ ...options, rejectUnauthorized: false, ciphers: 'DEFAULT@SECLEVEL=0' });
      socket.on('secureConnect', () => resolve(socket.getProtocol() ?? ''));
      socket.on('error', ({ message }) => resolve(message));
      onTestFinished(() => void socket.destroy());
    });
  test.each([
    ['TLSv1.1', 'is refused', /alert|wrong version|unsupported protocol/],
    ['TLSv1.2', 'is spoken', /^TLSv1\.2$/],
  ] as const)('of the version %s %s', async (version, _title, end) => {
    const versions = { minVersion: 'TLSv1', maxVersion: version } as const;
    expect(await shake({ host: 'localhost', port: service().tlsPort, ...versions })).toMatch(end);
    const socket = connect(service().port, 'localhost');
    for (const line of ['EHLO client.example\r\n', 'STARTTLS\r\n']) {
      await once(socket, 'data');
      socket.write(line);
    }
    await once(socket, 'data');
    expect(await shake({ socket, ...versions })).toMatch(end);
  });
});

describe('a trusted network', () => {
  const trusting = (networks: string) => open({ env: { SMTP_IN_TRUSTED_NETWORKS: networks } });

  test('needs neither TLS nor login, and sends as its key', async () => {
    const service = await trusting('10.0.0.0/8=crm,127.0.0.0/8=shop');
    const client = await connectClient(service.port);
    await client.say('HELO printer');
    const id = idOf(await client.send({ data: MAIL }));
    expect((await service.look(id)).body).toMatchObject({ id, status: 'queued' });
    expect(service.log.join('')).toMatch(/clients of 127\.0\.0\.0\/8 send as the key shop, without TLS or login/);
  });

  test('may log in all the same, even in clear text, and is that key then', async () => {
    const service = await trusting('127.0.0.1/32=crm');
    const client = await service.greeted();
    expect(await client.greet()).toContain('AUTH PLAIN LOGIN');
    expect(await client.logIn(KEY)).toMatch(/^235 /);
    expect((await service.look(idOf(await client.send({ data: MAIL })))).status).toBe(200);
  });

  test('is still that key within TLS', async () => {
    const service = await trusting('127.0.0.1/32=shop');
    const client = await service.greeted();
    await client.startTls();
    expect(await client.send({ data: MAIL })).toMatch(/^250 /);
  });

  test.each(['128.0.0.0/8=shop', '::1/128=shop'])('%s is not ours', async (networks) => {
    const client = await (await trusting(networks)).greeted();
    expect(await client.send({ data: MAIL })).toMatch(/^530 /);
  });
});

describe('without keys', () => {
  test('this machine is served, with any login or none', async () => {
    const service = await open({ env: { API_KEYS: '' } });
    const client = await service.greeted();
    expect(await client.logIn(KEY)).toMatch(/^530 /);
    expect(await client.send({ data: MAIL })).toMatch(/^250 /);
    const other = await service.client({ user: 'anyone', pass: 'anything' });
    expect(await other.send({ data: MAIL })).toMatch(/^250 /);
  });
});

describe('guessing', () => {
  test('ends after some wrong logins, over all connections from there, but not for who was right before', async () => {
    const service = await open();
    const right = await service.client();
    let replies: string[] = [];
    while (replies.length < WRONG_KEYS_MAX) {
      const client = await service.greeted();
      await client.startTls();
      for (let n = 0; n < 5; n += 1) replies.push(await client.logIn({ user: 'shop', pass: `guess-${n}` }));
      client.end();
    }
    expect(new Set(replies.map((reply) => reply.slice(0, 9)))).toEqual(new Set(['535 5.7.8']));
    const late = await service.greeted();
    await late.startTls();
    replies = [await late.logIn(OTHER_KEY), await late.say('NOOP')];
    expect(replies).toEqual([expect.stringMatching(/^421 4\.7\.0 Too many wrong logins/), '']);
    expect(await right.send({ data: MAIL })).toMatch(/^250 /);
    expect(await (await service.client()).send({ data: MAIL })).toMatch(/^250 /);
    expect(service.log.filter((line) => line.includes('too many wrong logins'))).toHaveLength(1);
    expect(service.log.join('')).not.toMatch(/guess-|first-secret/);
    expect(service.log.join('')).toMatch(/"ip":"127.0.0.1","code":535,"enhanced":"5.7.8","msg":"SMTP: refused"/);
  });

  test('is slow', async () => {
    const service = await open({ limits: { wrongLoginDelayMs: 50 } });
    const client = await service.greeted();
    await client.startTls();
    const began = performance.now();
    await client.logIn({ user: 'shop', pass: 'guess' });
    // A timer may be a millisecond early.
    expect(performance.now() - began).toBeGreaterThan(48);
  });
});

describe('a key that is taken back', () => {
  test('sends no further mail in a session that is open', async () => {
    const service = await open();
    const client = await service.client();
    expect(await client.send({ data: MAIL })).toMatch(/^250 /);
    await service.reload({ API_KEYS: 'shop:another-secret' });
    expect(await client.send({ data: MAIL })).toMatch(/^530 5\.7\.0 /);
  });
});
