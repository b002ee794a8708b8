/**
 * A stranger on the wire, who shows another certificate or talks the connection out of TLS: no credential and no mail
 * goes out, no mail is lost, and the reason is told.
 */
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { type CertificateOptions, makeServerCertificate } from '../../src/sandbox/certificate.ts';
import { openSandbox, type Sandbox } from '../../src/sandbox/sandbox.ts';
import { startTestRedis, type TestRedis } from '../helpers/redis.ts';
import { isFinal, openTestService, type TestService } from '../helpers/service.ts';

let redis: TestRedis;
beforeAll(async () => {
  redis = await startTestRedis();
});
afterAll(() => redis.close());

const DAY_MS = 86_400_000;

/** The mail waits for its mailbox, and nothing was said that could be used elsewhere. */
async function expectHeld(service: TestService, explanation: RegExp): Promise<string> {
  const id = await service.send();
  const message = await service.until(id, ({ attempts }) => attempts.length > 0);
  expect(message.attempts[0]).toMatchObject({ outcome: 'held', explanation: expect.stringMatching(explanation) });
  expect(service.sandbox.exchange.logins).toEqual([]);
  expect(service.sandbox.exchange.attempts).toEqual([]);
  return id;
}

describe("a server with another's certificate gets nothing", () => {
  test.each<[string, CertificateOptions]>([
    ['one that has expired', { notBefore: new Date(Date.now() - 2 * DAY_MS), notAfter: new Date(Date.now() - DAY_MS) }],
    ['one that is not valid yet', { notBefore: new Date(Date.now() + DAY_MS) }],
    ['one for another host', { hosts: ['smtp.example.com'] }],
  ])('%s', async (_title, certificate) => {
    const service = await openTestService({
      location: redis.location,
      sandbox: { certificate: await makeServerCertificate(certificate) },
      // By password, so that it is Exchange's certificate that is met, and not Entra's.
      env: { SMTP_PASSWORD: 'a-password' },
    });
    await expectHeld(service, /is not trusted/);
  });

  test.each<[string, (stranger: Sandbox) => Record<string, string>]>([
    ['at the token endpoint', ({ authorityHost }) => ({ AZURE_AUTHORITY_HOST: authorityHost })],
    ['at Exchange', ({ smtp }) => ({ SMTP_PORT: String(smtp.port), SMTP_PASSWORD: 'a-password' })],
  ])('one of an authority that nobody knows, %s', async (_title, envOf) => {
    const stranger = await openSandbox();
    onTestFinished(stranger.close);
    const service = await openTestService({ location: redis.location, env: envOf(stranger) });
    await expectHeld(service, /certificate|no access token/);
    expect([stranger.entra.requestCount, stranger.exchange.logins.length]).toEqual([0, 0]);
  });
});

describe('a connection that was talked out of TLS', () => {
  const STRIPPED = {
    stage: 'ehlo',
    match: ({ secure }: { secure: boolean }) => !secure,
    reply: '250-exchange.example Hello [127.0.0.1]\r\n250-SIZE 157286400\r\n250 AUTH LOGIN XOAUTH2',
    times: Number.POSITIVE_INFINITY,
  } as const;
  const REFUSED = {
    stage: 'starttls',
    reply: '502 5.3.3 Command not implemented',
    times: Number.POSITIVE_INFINITY,
  } as const;

  test('by leaving STARTTLS out of EHLO is secured all the same', async () => {
    const service = await openTestService({ location: redis.location });
    const { exchange } = service.sandbox;
    exchange.script(STRIPPED);
    const open: string[] = [];
    const note = ({ secure, id }: { secure: boolean; id: string }) => {
      if (!secure) open.push(id);
      return false;
    };
    for (const stage of ['auth', 'mail', 'data'] as const) exchange.script({ stage, drop: true, match: note });
    expect((await service.until(await service.send(), isFinal)).status).toBe('sent');
    expect(open).toEqual([]);
  });

  test.each([
    ['by refusing STARTTLS', [REFUSED]],
    ['by leaving it out of EHLO and refusing it', [STRIPPED, REFUSED]],
  ])('%s carries no login, and its mail waits for better times', async (_title, rules) => {
    const service = await openTestService({ location: redis.location });
    const { exchange, mailbox } = service.sandbox;
    for (const rule of rules) exchange.script(rule);
    const id = await expectHeld(service, /TLS/);
    exchange.clearScript();
    await service.request('POST', `/mailboxes/${mailbox.address}/resume`);
    expect((await service.until(id, isFinal)).status).toBe('sent');
  });

  test('by replies put in front of TLS does not take them for replies within it', async () => {
    const service = await openTestService({ location: redis.location });
    service.sandbox.exchange.script({
      stage: 'starttls',
      // What a man in the middle appends in the clear must not be read as the answers to what is said in TLS.
      reply: '220 2.0.0 SMTP server ready\r\n250-evil.example\r\n250 AUTH LOGIN\r\n235 2.7.0 Authentication successful',
    });
    const message = await service.until(await service.send(), isFinal);
    expect(message.status).toBe('sent');
    expect(service.sandbox.exchange.messages).toHaveLength(1);
    for (const { reply } of service.sandbox.exchange.logins) expect(reply).toMatch(/^235 /);
  });
});
