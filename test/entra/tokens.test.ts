import { rmSync, writeFileSync } from 'node:fs';
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { findEntra } from '../../src/core/replies/entra-table.ts';
import { findNetworkToEntra } from '../../src/core/replies/network-table.ts';
import { openTokenSource, type TokenResult } from '../../src/entra/tokens.ts';
import { openSandbox, type Sandbox } from '../../src/sandbox/sandbox.ts';
import { openTestSandbox } from '../helpers/service.ts';
import { applicationOf, ISSUER, makeClientCertificate, makeFederation, SUBJECT, testFile } from './application.ts';

const KEPT = { renew: false };
const RENEWED = { renew: true };
const MINUTE_MS = 60_000;

/** The token, checked as Exchange checks it. */
async function good(result: TokenResult, { entra }: Sandbox): Promise<string> {
  if (!result.ok) throw new Error(result.error);
  expect(await entra.verifyToken(result.token)).toMatchObject({ kind: 'valid', claims: { roles: ['SMTP.SendAsApp'] } });
  return result.token;
}

/** The id of the row that matches a failure. */
function ruleOf(result: TokenResult): string | undefined {
  if (result.ok) throw new Error('There is a token.');
  return (findEntra(result.code) ?? findNetworkToEntra(result.code))?.id;
}

describe('a token', () => {
  test('is requested once, however many wait for it, and kept', async () => {
    const sandbox = await openTestSandbox();
    const source = openTokenSource(applicationOf(sandbox));
    const results = await Promise.all(Array.from({ length: 20 }, () => source.getToken(KEPT)));
    results.push(await source.getToken(KEPT));
    expect(new Set(await Promise.all(results.map((result) => good(result, sandbox)))).size).toBe(1);
    expect(sandbox.entra.requestCount).toBe(1);
  });

  test('says when it expires', async () => {
    const sandbox = await openTestSandbox();
    sandbox.entra.setTokenLifetime(3_600);
    const result = await openTokenSource(applicationOf(sandbox)).getToken(KEPT);
    const leftMs = result.ok ? result.expiresAt.getTime() - Date.now() : 0;
    // MSAL counts in whole seconds.
    expect(Math.round(leftMs / MINUTE_MS)).toBe(60);
  });

  test('is not shared with another application', async () => {
    const sandbox = await openTestSandbox();
    const { tenantId } = sandbox.mailbox;
    sandbox.entra.addApp({ tenantId, clientId: 'other', secrets: ['s'] });
    const application = applicationOf(sandbox, { kind: 'secret', secret: 's' });
    const tokens = [
      await good(await openTokenSource(applicationOf(sandbox)).getToken(KEPT), sandbox),
      await good(await openTokenSource({ ...application, clientId: 'other' }).getToken(KEPT), sandbox),
    ];
    expect(new Set(tokens).size).toBe(2);
  });

  test('that is still valid needs no request to Entra', async () => {
    const sandbox = await openTestSandbox();
    const source = openTokenSource(applicationOf(sandbox));
    const token = await good(await source.getToken(KEPT), sandbox);
    await sandbox.entra.close();
    expect(await source.getToken(KEPT)).toMatchObject({ ok: true, token });
  });
});

describe('a token is renewed', () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  test.each([
    [50, 1],
    [56, 2],
    [61, 2],
  ])('before its 60 minutes end: after %i minutes there were %i requests', async (minutes, requests) => {
    const sandbox = await openTestSandbox();
    sandbox.entra.setTokenLifetime(3_600);
    const source = openTokenSource(applicationOf(sandbox));
    await source.getToken(KEPT);
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + minutes * MINUTE_MS });
    await good(await source.getToken(KEPT), sandbox);
    expect(sandbox.entra.requestCount).toBe(requests);
  });

  test('when Exchange has refused it, and is kept then', async () => {
    const sandbox = await openTestSandbox();
    const source = openTokenSource(applicationOf(sandbox));
    const first = await good(await source.getToken(KEPT), sandbox);
    sandbox.entra.revokeTokens();
    const renewed = await good(await source.getToken(RENEWED), sandbox);
    expect(renewed).not.toBe(first);
    expect(await good(await source.getToken(KEPT), sandbox)).toBe(renewed);
    expect(sandbox.entra.requestCount).toBe(2);
  });

  test('by one request for all that were refused at the same time', async () => {
    const sandbox = await openTestSandbox();
    const source = openTokenSource(applicationOf(sandbox));
    await source.getToken(KEPT);
    sandbox.entra.revokeTokens();
    const results = await Promise.all(Array.from({ length: 10 }, () => source.getToken(RENEWED)));
    expect(new Set(await Promise.all(results.map((result) => good(result, sandbox)))).size).toBe(1);
    expect(sandbox.entra.requestCount).toBe(2);
  });

  test('no more often than every ten seconds', async () => {
    const sandbox = await openTestSandbox();
    let now = 0;
    const source = openTokenSource(applicationOf(sandbox), () => now);
    const tokenAt = async (ms: number) => {
      now = ms;
      return await good(await source.getToken(RENEWED), sandbox);
    };
    const tokens = [await tokenAt(0), await tokenAt(9_999), await tokenAt(10_000), await tokenAt(19_999)];
    expect(tokens.map((token) => tokens.indexOf(token))).toEqual([0, 0, 2, 2]);
    expect(sandbox.entra.requestCount).toBe(2);
  });
});

describe('an application authenticates', () => {
  test('with its certificate', async () => {
    const sandbox = await openTestSandbox();
    const { certificate, privateKey } = await makeClientCertificate();
    sandbox.entra.setApp(sandbox.mailbox.clientId, { secrets: [], certificates: [certificate] });
    for (const content of [`${privateKey}${certificate}`, `${certificate}\n${privateKey}`]) {
      const path = testFile('app.pem', content);
      await good(await openTokenSource(applicationOf(sandbox, { kind: 'certificate', path })).getToken(KEPT), sandbox);
    }
  });

  test('with the certificate that replaced an old one, without a restart', async () => {
    const sandbox = await openTestSandbox();
    const { clientId } = sandbox.mailbox;
    const [old, next] = await Promise.all([makeClientCertificate(), makeClientCertificate()]);
    sandbox.entra.setApp(clientId, { secrets: [], certificates: [old.certificate] });
    const path = testFile('app.pem', `${old.certificate}\n${old.privateKey}`);
    let now = 0;
    const source = openTokenSource(applicationOf(sandbox, { kind: 'certificate', path }), () => now);
    await good(await source.getToken(KEPT), sandbox);
    writeFileSync(path, `${next.certificate}\n${next.privateKey}`);
    sandbox.entra.setApp(clientId, { certificates: [next.certificate] });
    expect(ruleOf(await source.getToken(RENEWED))).toBe('certificate-wrong');
    now += 10_000;
    await good(await source.getToken(RENEWED), sandbox);
  });

  test('with a file that is corrected after it was wrong', async () => {
    const sandbox = await openTestSandbox();
    const { certificate, privateKey } = await makeClientCertificate();
    sandbox.entra.setApp(sandbox.mailbox.clientId, { secrets: [], certificates: [certificate] });
    const path = testFile('app.pem');
    const source = openTokenSource(applicationOf(sandbox, { kind: 'certificate', path }));
    expect(await source.getToken(KEPT)).toMatchObject({
      ok: false,
      code: 'ENOENT',
      error: expect.stringContaining(path),
    });
    writeFileSync(path, certificate);
    expect(await source.getToken(KEPT)).toMatchObject({
      ok: false,
      error: 'The certificate file must contain a certificate and its private key, both in PEM.',
    });
    writeFileSync(path, `${certificate}\n${privateKey}`);
    await good(await source.getToken(KEPT), sandbox);
  });

  test('with the federated token that is in the file at that time', async () => {
    const sandbox = await openTestSandbox();
    const { publicKey, token } = makeFederation();
    sandbox.entra.setApp(sandbox.mailbox.clientId, {
      secrets: [],
      federated: [{ issuer: ISSUER, subject: SUBJECT, publicKey }],
    });
    const path = testFile('token', `${await token()}\n`);
    let now = 0;
    const source = openTokenSource(applicationOf(sandbox, { kind: 'federated', path }), () => now);
    const answers: (string | undefined)[] = [];
    for (const content of [
      await token(),
      await token('system:serviceaccount:other:x'),
      await token(SUBJECT, -3_600),
      await token(),
    ]) {
      writeFileSync(path, content);
      now += 10_000;
      const result = await source.getToken(RENEWED);
      answers.push(result.ok ? 'good' : ruleOf(result));
    }
    expect(answers).toEqual(['good', 'federation-unknown', 'assertion-time', 'good']);
    rmSync(path);
    now += 10_000;
    expect(await source.getToken(RENEWED)).toMatchObject({ ok: false, code: 'ENOENT' });
  });
});

describe('a refusal is reported with its code, and without the secret', () => {
  test.each([
    ['a wrong secret', (sandbox: Sandbox) => sandbox.entra.setSecrets(sandbox.mailbox.clientId, 'x'), 'secret-wrong'],
    [
      'an expired secret',
      ({ entra, mailbox }: Sandbox) =>
        entra.setSecrets(mailbox.clientId, { value: mailbox.clientSecret, expired: true }),
      'secret-expired',
    ],
    ['an unknown app', ({ entra, mailbox }: Sandbox) => entra.removeApp(mailbox.clientId), 'app-unknown'],
    ['conditional access', ({ entra }: Sandbox) => entra.script({ error: 'conditionalAccess' }), 'conditional-access'],
    ['too many requests', ({ entra }: Sandbox) => entra.script({ error: 'throttled' }), 'entra-throttled'],
    ['a temporary error', ({ entra }: Sandbox) => entra.script({ error: 'unavailable' }), 'entra-throttled'],
  ])('%s', async (_title, arrange, rule) => {
    const sandbox = await openTestSandbox();
    arrange(sandbox);
    const result = await openTokenSource(applicationOf(sandbox)).getToken(KEPT);
    expect(ruleOf(result)).toBe(rule);
    expect(JSON.stringify(result)).not.toContain(sandbox.mailbox.clientSecret);
  });

  test('an unknown tenant', async () => {
    const sandbox = await openTestSandbox();
    const application = { ...applicationOf(sandbox), tenantId: '0f365000-0000-4000-8000-000000000000' };
    expect(ruleOf(await openTokenSource(application).getToken(KEPT))).toBe('tenant-unknown');
  });

  test('a scope that is not one', async () => {
    const sandbox = await openTestSandbox();
    const source = (scope: string) => openTokenSource({ ...applicationOf(sandbox), scope });
    expect(ruleOf(await source('https://outlook.office365.com/Mail.Send').getToken(KEPT))).toBe('scope-wrong');
    expect(ruleOf(await source('https://example.com/.default').getToken(KEPT))).toBe('resource-unknown');
  });

  test('is not kept for the next request', async () => {
    const sandbox = await openTestSandbox();
    const source = openTokenSource(applicationOf(sandbox));
    sandbox.entra.script({ error: 'conditionalAccess' });
    expect((await source.getToken(KEPT)).ok).toBe(false);
    await good(await source.getToken(KEPT), sandbox);
  });
});

describe('when Entra cannot be asked, the cause is reported:', () => {
  test('no server listens', async () => {
    const sandbox = await openTestSandbox();
    const source = openTokenSource(applicationOf(sandbox));
    await sandbox.entra.close();
    const result = await source.getToken(KEPT);
    expect(ruleOf(result)).toBe('refused');
    expect(result).toMatchObject({ error: expect.stringContaining(`${sandbox.authorityHost} is not reachable`) });
  });

  test('there is no such host', async () => {
    const sandbox = await openTestSandbox();
    const application = { ...applicationOf(sandbox), authorityHost: 'https://no-such-host.invalid' };
    expect(ruleOf(await openTokenSource(application).getToken(KEPT))).toBe('dns');
  });

  test('its certificate is not trusted, and it receives no secret', async () => {
    const untrusted = await openSandbox();
    onTestFinished(untrusted.close);
    expect(ruleOf(await openTokenSource(applicationOf(untrusted)).getToken(KEPT))).toBe('certificate');
    expect(untrusted.entra.requestCount).toBe(0);
  });

  test.each([
    ['hangs up', { drop: true }],
    ['answers with a page of a captive portal', { garbage: true }],
  ] as const)('it %s, for a while', async (_title, rule) => {
    const sandbox = await openTestSandbox();
    const source = openTokenSource(applicationOf(sandbox));
    for (const endpoint of ['discovery', 'token'] as const) {
      sandbox.entra.script({ ...rule, endpoint, times: 2 });
      expect(await source.getToken(KEPT)).toMatchObject({
        ok: false,
        error: expect.stringContaining(sandbox.authorityHost),
      });
      sandbox.entra.clearScript();
    }
    await good(await source.getToken(KEPT), sandbox);
  });
});
