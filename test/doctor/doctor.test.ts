/** The doctor against planted faults, one at a time: it must find each, and say how to fix it. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import tls, { type PeerCertificate } from 'node:tls';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { diagnose, NO_LEASE_NEEDED } from '../../src/doctor/doctor.ts';
import { readConfig } from '../../src/config/config.ts';
import type { Diagnosis, StepId } from '../../src/core/admin/diagnosis.ts';
import { type CertificateOptions, makeServerCertificate } from '../../src/sandbox/certificate.ts';
import { openSandbox, SANDBOX_MAILBOX, type Sandbox } from '../../src/sandbox/sandbox.ts';
import { checkCertificate } from '../../src/smtp/doctor.ts';
import { startProcess, temporaryFile, temporaryFolder } from '../helpers/process.ts';
import { startTestRedis, type TestRedis } from '../helpers/redis.ts';
import { openTestSandbox, openTestService, sandboxEnv } from '../helpers/service.ts';

let redis: TestRedis;
beforeAll(async () => {
  redis = await startTestRedis();
});
afterAll(() => redis.close());

async function diagnosis(env: Readonly<Record<string, string>>, now = new Date()): Promise<Diagnosis> {
  const [mailbox] = readConfig(env, 'doctor').mailboxes;
  if (!mailbox) throw new Error('no mailbox');
  return diagnose(mailbox, NO_LEASE_NEEDED, () => now);
}

const failures = ({ steps }: Diagnosis) => steps.filter(({ status }) => status === 'failed').map(({ id }) => id);
const stepOf = ({ steps }: Diagnosis, id: StepId) => steps.find((step) => step.id === id);

/** A server that sends these lines: the first at once, the next after each line that it receives. */
async function talker(...lines: readonly string[]): Promise<number> {
  const server: Server = createServer((socket) => {
    const left = [...lines];
    const say = () => socket.write(left.shift() ?? '');
    socket.on('data', say).on('error', () => undefined);
    say();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return (server.address() as { port: number }).port;
}

test('a mailbox that works: every step is ok, and no message is sent', async () => {
  const sandbox = await openTestSandbox();
  const found = await diagnosis(sandboxEnv(sandbox));
  expect(found).toMatchObject({ ok: true, mailbox: sandbox.mailbox.address });
  expect(found.steps.map(({ id, status }) => [id, status])).toEqual([
    ['configuration', 'ok'],
    ['dns', 'ok'],
    ['connect', 'ok'],
    ['banner', 'ok'],
    ['starttls', 'ok'],
    ['certificate', 'ok'],
    ['size', 'ok'],
    ['authority', 'ok'],
    ['token', 'ok'],
    ['consent', 'ok'],
    ['login', 'ok'],
    ['senders', 'ok'],
  ]);
  expect(sandbox.exchange.messages).toEqual([]);
});

type Plant = (sandbox: Sandbox) => Readonly<Record<string, string>> | undefined | Promise<Record<string, string>>;

const { clientId } = SANDBOX_MAILBOX;
const OBJECT_ID = '[\\da-f]{8}(-[\\da-f]{4}){3}-[\\da-f]{12}';

const FAULTS: readonly [string, Plant, StepId, RegExp][] = [
  ['a host that does not exist', () => ({ SMTP_HOST: 'smtp.office365.invalid' }), 'dns', /Check DNS/],
  ['a port that refuses', () => ({ SMTP_PORT: '1' }), 'connect', /SMTP_PORT \(smtp\.office365\.com, 587/],
  ['port 25', () => ({ SMTP_HOST: '127.0.0.9', SMTP_PORT: '25' }), 'connect', /^Set SMTP_PORT=587/],
  [
    'a server that accepts no more connections',
    ({ exchange }) => void exchange.script({ stage: 'connect', reply: '421 4.3.2 Service not available' }),
    'banner',
    /^$/,
  ],
  [
    'a web server',
    async () => ({ SMTP_PORT: String(await talker('HTTP/1.1 400 Bad Request\r\n')) }),
    'banner',
    /^Check SMTP_HOST and SMTP_PORT/,
  ],
  [
    'a firewall that removes STARTTLS',
    async () => ({ SMTP_PORT: String(await talker('220 mx\r\n', '250-mx\r\n250 SIZE 1000\r\n')) }),
    'starttls',
    /SMTP inspection/,
  ],
  [
    'a tenant that does not exist',
    () => ({ AZURE_TENANT_ID: '11111111-1111-4111-8111-111111111111' }),
    'token',
    /AZURE_TENANT_ID, and check M365_CLOUD/,
  ],
  [
    'an app that does not exist',
    ({ entra }) => entra.removeApp(clientId) as undefined,
    'token',
    /Application \(client\) ID/,
  ],
  ['a wrong secret', () => ({ AZURE_CLIENT_SECRET: 'wrong' }), 'token', /copy its VALUE/],
  [
    'an expired secret',
    ({ entra, mailbox }) => entra.setSecrets(clientId, { value: mailbox.clientSecret, expired: true }) as undefined,
    'token',
    /create a new secret/,
  ],
  [
    'a proxy instead of Entra',
    ({ entra }) => void entra.script({ endpoint: 'discovery', garbage: true }),
    'authority',
    /proxy/,
  ],
  [
    'a proxy instead of the token endpoint',
    ({ entra }) => void entra.script({ endpoint: 'token', garbage: true, times: 9 }),
    'token',
    /without a proxy/,
  ],
  [
    'a firewall that cuts connections to Entra',
    ({ entra }) => void entra.script({ endpoint: 'token', drop: true, times: 9 }),
    'token',
    /firewall or proxy cuts connections to login\.microsoftonline\.com/,
  ],
  [
    'a connection that breaks during the login',
    ({ exchange }) => void exchange.script({ stage: 'auth', drop: true }),
    'login',
    /^Check SMTP_HOST and SMTP_PORT/,
  ],
  [
    'a connection that breaks at the sender',
    ({ exchange }) => void exchange.script({ stage: 'mail', drop: true }),
    'senders',
    /^Check SMTP_HOST and SMTP_PORT/,
  ],
  ['no consent', ({ entra }) => entra.setApp(clientId, { roles: [] }) as undefined, 'consent', /Grant admin consent/],
  [
    'no permission on the mailbox',
    ({ exchange, mailbox }) => exchange.setMailbox(mailbox.address, { apps: [] }) as undefined,
    'login',
    new RegExp(`New-ServicePrincipal -AppId ${clientId} -ObjectId ${OBJECT_ID}\n`),
  ],
  [
    'SMTP AUTH disabled for the tenant',
    ({ exchange }) => exchange.setTenant({ smtpAuthDisabled: true }) as undefined,
    'login',
    /Set-TransportConfig -SmtpClientAuthenticationDisabled \$false/,
  ],
  [
    'SMTP AUTH disabled for the mailbox',
    ({ exchange, mailbox }) => exchange.setMailbox(mailbox.address, { smtpAuthDisabled: true }) as undefined,
    'login',
    new RegExp(`^Set-CASMailbox -Identity ${SANDBOX_MAILBOX.address} -SmtpClientAuthenticationDisabled \\$false$`),
  ],
  [
    'a sender that is refused',
    ({ exchange }) =>
      void exchange.script({
        stage: 'mail',
        reply: '550 5.7.60 SMTP; Client does not have permissions to send as this sender',
      }),
    'senders',
    /Add-RecipientPermission/,
  ],
  [
    'a size that Exchange does not accept',
    ({ exchange }) =>
      void exchange.script({
        stage: 'ehlo',
        match: ({ secure }) => secure,
        reply: '250-mx Hello\r\n250-AUTH LOGIN XOAUTH2\r\n250 SIZE 10485760',
      }),
    'size',
    /messageSizeMegabytes to 10/,
  ],
];

test.each(FAULTS)('finds %s', async (_, plant, id, fix) => {
  const sandbox = await openTestSandbox();
  const found = await diagnosis({ ...sandboxEnv(sandbox), ...(await plant(sandbox)) });
  expect(found.ok).toBe(false);
  expect(failures(found)[0]).toBe(id);
  expect(stepOf(found, id)?.fix ?? '').toMatch(fix);
  expect(found.steps).toHaveLength(12);
});

test("warns of a secret that looks like a secret's ID, and of a clock that differs from Entra's", async () => {
  const sandbox = await openTestSandbox();
  const env = { ...sandboxEnv(sandbox), AZURE_CLIENT_SECRET: '33333333-3333-4333-8333-333333333333' };
  const found = await diagnosis(env, new Date(Date.now() + 20 * 60_000));
  expect(stepOf(found, 'configuration')).toMatchObject({ status: 'warning', fix: expect.stringMatching(/its VALUE/) });
  expect(stepOf(found, 'authority')).toMatchObject({
    status: 'warning',
    seen: expect.stringMatching(/clock is (19|20|21) minutes fast$/),
    fix: expect.stringContaining('timedatectl'),
  });
  expect(failures(found)).toEqual(['token']);
});

test("shows Entra's own words once", async () => {
  const sandbox = await openTestSandbox();
  const found = await diagnosis({ ...sandboxEnv(sandbox), AZURE_CLIENT_SECRET: 'wrong' });
  expect(stepOf(found, 'token')?.seen).toMatch(
    /^AADSTS7000215: Invalid client secret provided.* Trace ID: [^:]+: [^:]+: [-\d]+ [\d:]+Z$/,
  );
});

test('names only the first cause of a login that is refused', async () => {
  const sandbox = await openTestSandbox();
  sandbox.entra.setApp(clientId, { roles: [] });
  const found = await diagnosis(sandboxEnv(sandbox));
  expect(stepOf(found, 'consent')?.fix).toMatch(/not delegated ones/);
  expect(stepOf(found, 'login')?.fix).toBe('Fix the token first.');
});

describe('the certificate', () => {
  test.each([
    ['of an authority that this machine does not trust', {}, /relay365 sandbox/i, /NODE_EXTRA_CA_CERTS/],
    ['for another name', { hosts: ['elsewhere.example'] }, /ERR_TLS_CERT_ALTNAME_INVALID/, /Check SMTP_HOST/],
    ['that has expired', { notAfter: new Date(Date.now() - 86_400_000) }, /CERT_HAS_EXPIRED/, /Set the clock/],
  ])('%s stops the doctor before the login', async (_, options, seen, fix) => {
    const trusted = await openTestSandbox();
    const certificate = await makeServerCertificate(options as CertificateOptions);
    const other = await openSandbox({ certificate });
    onTestFinished(other.close);
    if (Object.keys(options).length > 0) trust(certificate.caCertificate);
    const found = await diagnosis({ ...sandboxEnv(trusted), SMTP_PORT: String(other.smtp.port) });
    expect(failures(found)).toEqual(['certificate']);
    const step = stepOf(found, 'certificate');
    expect(step?.seen).toMatch(seen);
    expect(step?.fix).toMatch(fix);
    expect(other.exchange.logins).toEqual([]);
  });
});

describe('a certificate that this machine trusts', () => {
  const view = (issuer: string) => ({
    version: 'TLSv1.3',
    distrust: undefined,
    certificate: { issuer: { O: issuer }, subject: { CN: 'outlook.com' }, valid_to: 'Jan 20 2027' } as PeerCertificate,
  });

  test("but that is not Microsoft's, leads to the proxy that decrypts TLS", () => {
    expect(checkCertificate(view('Zscaler Inc.'), { host: 'smtp.office365.com', port: 587 })).toMatchObject({
      status: 'warning',
      meaning: expect.stringContaining('Zscaler Inc. decrypts the TLS'),
      fix: 'Exclude smtp.office365.com from the inspection by: Zscaler Inc.',
    });
  });

  test("and that is Microsoft's, or for another host, is ok", () => {
    expect(checkCertificate(view('DigiCert Inc'), { host: 'smtp.office365.com', port: 587 }).status).toBe('ok');
    expect(checkCertificate(view('Contoso'), { host: 'relay.contoso.com', port: 587 }).status).toBe('ok');
  });
});

test('warns of a credential that expires within 30 days', async () => {
  const sandbox = await openTestSandbox();
  const { address } = sandbox.mailbox;
  const yaml = `mailboxes:\n  - address: ${address}\n    clientSecretExpires: 2027-01-20\n`;
  const env = { ...sandboxEnv(sandbox), CONFIG_FILE: temporaryFile('relay365.yaml', yaml) };
  const found = await diagnosis(env, new Date('2027-01-10'));
  expect(found.ok).toBe(true);
  expect(stepOf(found, 'configuration')).toMatchObject({ status: 'warning', seen: expect.stringMatching(/10 days/) });
});

test('a worker also warns of it in its log', async () => {
  const soon = new Date(Date.now() + 10.5 * 86_400_000).toISOString();
  const yaml = `mailboxes:\n  - address: sandbox@relay365.example\n    clientSecretExpires: ${soon}\n`;
  const { log, send, until } = await openTestService({ location: redis.location, yaml });
  await until(await send(), ({ status }) => status === 'sent');
  expect(log.join()).toMatch('the secret of sandbox@relay365.example ends in 10 days');
});

describe('npm run doctor', () => {
  async function run(env: Record<string, string>, ...parameters: string[]) {
    const process = startProcess('src/doctor.ts', env, parameters);
    const code = await process.ended;
    return { code, text: process.lines.join('\n') };
  }

  test('says in a terminal what is wrong and what to do, without colours when piped, and exits 1', async () => {
    const sandbox = await openTestSandbox();
    sandbox.exchange.setTenant({ smtpAuthDisabled: true });
    const env = { ...sandboxEnv(sandbox), NODE_EXTRA_CA_CERTS: temporaryFile('ca.pem', sandbox.caCertificate) };
    const { code, text } = await run(env);
    expect(code).toBe(1);
    expect(text).toMatch(
      /^FAILED {3}Does Exchange accept the login\?\n {9}535 5\.7\.139 .*\n {9}.*\n {9}What to do: .*Set-TransportConfig/m,
    );
    expect(text).not.toContain('\u001B');
    expect(text).not.toContain(sandbox.mailbox.clientSecret);
  });

  test('prints JSON with --json, counts towards the connections of a running service, and exits 0', async () => {
    const { sandbox, env, namespace } = await openTestService({ location: redis.location });
    expect(namespace).toBeDefined();
    const ca = temporaryFile('ca.pem', sandbox.caCertificate);
    const all = { ...env, NODE_EXTRA_CA_CERTS: ca, REDIS_URL: redis.location.url };
    const { code, text } = await run(all, '--json', sandbox.mailbox.address.toUpperCase());
    expect([code, JSON.parse(text)]).toMatchObject([0, { ok: true, checkups: [{ ok: true, steps: { length: 12 } }] }]);
  });

  test.each([
    [{ M365_MAILBOX: 'a@contoso.com' }, [], /AZURE_CLIENT_SECRET is required/],
    [{ M365_MAILBOX: 'a@contoso.com', SMTP_PASSWORD: 'x', SMTP_PORT: '465' }, [], /SMTP_PORT must not be 465/],
    [{}, [], /M365_MAILBOX is required/],
    [
      { M365_MAILBOX: 'a@contoso.com', SMTP_PASSWORD: 'x' },
      ['b@contoso.com'],
      /b@contoso\.com is not a mailbox .* a@contoso\.com/,
    ],
  ])('says what is wrong in the configuration: %j', async (env, parameters, message) => {
    const { code, text } = await run(env, ...parameters);
    expect([code, text]).toEqual([1, expect.stringMatching(message)]);
    const asJson = await run(env, '--json', ...parameters);
    expect([asJson.code, JSON.parse(asJson.text).ok]).toEqual([1, false]);
  });

  test('reads relay365.yaml', async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'relay365.yaml'), 'mailboxes:\n  - adress: x\n');
    const { text } = await run({ CONFIG_FILE: join(folder, 'relay365.yaml') });
    expect(text).toMatch(/adress is not a field/);
  });
});

test('POST /mailboxes/{id}/verify answers with the same diagnosis, within the connection limit of the mailbox', async () => {
  const { request, send, until, sandbox } = await openTestService({ location: redis.location });
  await until(await send(), ({ status }) => status === 'sent');
  const { status, body } = await request('POST', `/mailboxes/${sandbox.mailbox.address}/verify`);
  expect([status, body.ok, body.steps.length]).toEqual([200, true, 12]);
  expect(body.steps[0]).toMatchObject({ id: 'configuration', title: 'Is the configuration complete?', status: 'ok' });
  expect(sandbox.exchange.connections(sandbox.mailbox.address).peak).toBeLessThanOrEqual(3);
  expect((await request('POST', '/mailboxes/unknown@contoso.com/verify')).status).toBe(404);
});

function trust(caCertificate: string): void {
  const before = tls.getCACertificates('default');
  tls.setDefaultCACertificates([...before, caCertificate]);
  onTestFinished(() => tls.setDefaultCACertificates(before));
}
