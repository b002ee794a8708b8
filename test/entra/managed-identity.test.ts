/** A managed identity, with a platform like App Service and Container Apps: an endpoint that asks Entra itself. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { diagnose, NO_LEASE_NEEDED } from '../../src/doctor/doctor.ts';
import { readConfig } from '../../src/config/config.ts';
import { openTokenSource } from '../../src/entra/tokens.ts';
import type { Sandbox } from '../../src/sandbox/sandbox.ts';
import { startTestRedis, type TestRedis } from '../helpers/redis.ts';
import { isFinal, openTestSandbox, openTestService } from '../helpers/service.ts';

const HEADER = 'only-this-machine-knows-it';
const USER_ASSIGNED = '7b4f2d0e-9c1a-4f5e-8a6b-3d2c1b0a9f8e';
const SCOPE = 'https://outlook.office365.com/.default';

let redis: TestRedis;
let platform: Server;
let answer: (query: URLSearchParams) => Promise<{ status: number; body: object }>;
let asked: URLSearchParams[];

/** MSAL keeps one client of the platform for the process, so the tests of this file share a platform. */
beforeAll(async () => {
  redis = await startTestRedis();
  platform = createServer(async (request: IncomingMessage, response) => {
    const query = new URL(request.url ?? '', 'http://localhost').searchParams;
    asked.push(query);
    const { status, body } =
      request.headers['x-identity-header'] === HEADER
        ? await answer(query)
        : { status: 403, body: { statusCode: 403, message: 'The header is missing.' } };
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  }).listen(0, '127.0.0.1');
  await once(platform, 'listening');
  const { port } = platform.address() as { port: number };
  process.env['IDENTITY_ENDPOINT'] = `http://127.0.0.1:${port}/msi/token`;
  process.env['IDENTITY_HEADER'] = HEADER;
});
afterAll(async () => {
  delete process.env['IDENTITY_ENDPOINT'];
  delete process.env['IDENTITY_HEADER'];
  platform.close();
  await redis.close();
});
beforeEach(() => {
  asked = [];
});

/** The platform's answer for an identity that it knows. */
function tokensOf({ authorityHost, mailbox }: Sandbox): typeof answer {
  const { tenantId, clientId, clientSecret } = mailbox;
  return async (query) => {
    const body = new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: clientId,
      client_secret: clientSecret,
      scope: `${query.get('resource')}/.default`,
    });
    const response = await fetch(`${authorityHost}/${tenantId}/oauth2/v2.0/token`, { method: 'POST', body });
    const { access_token, expires_in } = (await response.json()) as { access_token: string; expires_in: number };
    const expires_on = String(Math.floor(Date.now() / 1_000) + expires_in);
    return { status: 200, body: { access_token, expires_on, resource: query.get('resource'), token_type: 'Bearer' } };
  };
}

const NONE: typeof answer = () =>
  Promise.resolve({ status: 400, body: { statusCode: 400, message: 'No managed identity was found.' } });

/** The sandbox's variables, with a managed identity instead of the app registration. */
function environment({ mailbox, smtp }: Sandbox, identity = 'system'): Record<string, string> {
  return {
    M365_MAILBOX: mailbox.address,
    AZURE_MANAGED_IDENTITY: identity,
    SMTP_HOST: smtp.host,
    SMTP_PORT: String(smtp.port),
  };
}

describe('a managed identity', () => {
  test('sends messages without a tenant, an app registration and a secret', async () => {
    const { sandbox, send, until, request } = await openTestService({
      location: redis.location,
      env: { AZURE_TENANT_ID: '', AZURE_CLIENT_ID: '', AZURE_CLIENT_SECRET: '', AZURE_MANAGED_IDENTITY: 'system' },
    });
    answer = NONE;
    const id = await send();
    const held = await until(id, ({ status }) => status === 'held');
    expect(held.held).toMatchObject({
      explanation: expect.stringMatching(/issued no token.*No managed identity was found/s),
      fix: expect.stringContaining('AZURE_MANAGED_IDENTITY'),
    });
    answer = tokensOf(sandbox);
    await request('POST', `/mailboxes/${sandbox.mailbox.address}/resume`);
    expect(await until(id, isFinal)).toMatchObject({ status: 'sent' });
    expect(asked.at(-1)?.get('resource')).toBe('https://outlook.office365.com');
    expect(asked.at(-1)?.has('client_id')).toBe(false);
  });

  test('can be one of several, chosen by its client id', async () => {
    answer = tokensOf(await openTestSandbox());
    const credential = { kind: 'managed-identity', clientId: USER_ASSIGNED } as const;
    const source = openTokenSource({ credential, scope: SCOPE });
    expect((await source.getToken({ renew: false })).ok).toBe(true);
    expect((await source.getToken({ renew: false })).ok).toBe(true);
    expect(asked.map((query) => query.get('client_id'))).toEqual([USER_ASSIGNED]);
  });

  test('is checked by the doctor', async () => {
    const sandbox = await openTestSandbox();
    answer = tokensOf(sandbox);
    const [mailbox] = readConfig(environment(sandbox), 'doctor').mailboxes;
    if (!mailbox) throw new Error('There is no mailbox.');
    const diagnosis = () => diagnose(mailbox, NO_LEASE_NEEDED, () => new Date());
    const good = await diagnosis();
    expect(good).toMatchObject({ ok: true, steps: { length: 12 } });
    expect(good.steps.find(({ id }) => id === 'token')?.seen).toContain('the managed identity');
    sandbox.entra.setApp(sandbox.mailbox.clientId, { roles: [] });
    const bare = await diagnosis();
    expect(bare.steps.find(({ id }) => id === 'consent')).toMatchObject({
      status: 'failed',
      fix: expect.stringContaining('docs/connect-your-tenant.md'),
    });
    answer = NONE;
    const none = await diagnosis();
    expect(none.steps.find(({ id }) => id === 'token')).toMatchObject({
      status: 'failed',
      fix: expect.stringContaining('AZURE_MANAGED_IDENTITY'),
    });
  });
});

describe('the configuration of a managed identity', () => {
  const faultsOf = (env: Record<string, string>): string => {
    try {
      readConfig({ M365_MAILBOX: 'a@contoso.com', ...env }, 'all');
      return '';
    } catch (error) {
      return (error as Error).message;
    }
  };

  test.each<[Record<string, string>, RegExp]>([
    [{ AZURE_MANAGED_IDENTITY: 'system' }, /^$/],
    [{ AZURE_MANAGED_IDENTITY: USER_ASSIGNED.toUpperCase() }, /^$/],
    [{ AZURE_MANAGED_IDENTITY: 'mine' }, /AZURE_MANAGED_IDENTITY must be system, or the client id/],
    [{ AZURE_MANAGED_IDENTITY: 'system', AZURE_CLIENT_SECRET: 'x' }, /one credential too many.*AZURE_MANAGED_IDENTITY/],
    [{}, /AZURE_CLIENT_SECRET is required \(or one of .*AZURE_MANAGED_IDENTITY\)/],
    [{ M365_MAILBOX: '', AZURE_MANAGED_IDENTITY: 'system' }, /M365_MAILBOX is not set, but AZURE_MANAGED_IDENTITY is/],
  ])('%j', (env, faults) => {
    expect(faultsOf(env)).toMatch(faults);
  });
});
