import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type Config, ConfigError, readConfig, type Role } from '../../src/config/config.ts';
import { VARIABLES } from '../../src/config/variables.ts';

const APP = { AZURE_TENANT_ID: 'tenant', AZURE_CLIENT_ID: 'client', AZURE_CLIENT_SECRET: 'secret' };
const BODY_KEY = Buffer.alloc(32, 'x').toString('base64');
const FIVE = { M365_MAILBOX: 'NoReply@contoso.com', ...APP };

function faultsOf(env: Record<string, string>, role: Role = 'all'): readonly string[] {
  try {
    readConfig(env, role);
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.faults.map(({ where, message }) => `${where} ${message}`);
  }
}

/** The faults or the configuration of a file with this content. */
function fromFile(yaml: string, env: Record<string, string> = {}): { faults: readonly string[]; read: () => Config } {
  const file = join(mkdtempSync(join(tmpdir(), 'relay365-test-')), 'relay365.yaml');
  writeFileSync(file, yaml);
  const all = { ...env, CONFIG_FILE: file };
  const faults = faultsOf(all).map((fault) => fault.replace(file, 'relay365.yaml'));
  return { faults, read: () => readConfig(all, 'all') };
}

describe('the environment', () => {
  test('empty: the sandbox on loopback, with a Redis of its own', () => {
    expect(readConfig({}, 'all')).toMatchObject({
      listen: { host: '127.0.0.1', port: 3000 },
      redis: undefined,
      mailboxes: [],
      limits: { connections: 3, messagesPerMinute: 30, recipientsPerDay: 10_000 },
    });
  });

  test('five variables are enough to send', () => {
    const { mailboxes } = readConfig(FIVE, 'all');
    expect(mailboxes).toMatchObject([
      {
        mailbox: { id: 'noreply@contoso.com', address: 'NoReply@contoso.com' },
        host: 'smtp.office365.com',
        port: 587,
        unknown: 'retry',
        login: {
          kind: 'oauth',
          application: {
            authorityHost: 'https://login.microsoftonline.com',
            scope: 'https://outlook.office365.com/.default',
            credential: { kind: 'secret', secret: 'secret' },
          },
        },
      },
    ]);
  });

  test('SMTP in is off, but for the port and the networks that are given', () => {
    expect(readConfig(FIVE, 'all').smtpIn).toEqual({
      port: undefined,
      tlsPort: undefined,
      certificate: undefined,
      trustedNetworks: [],
      rewriteFrom: [],
    });
    const networks = '192.168.10.0/24=printer, 2001:db8::/32=printer,10.1.2.3=shop';
    const env = { ...FIVE, API_KEYS: 'printer:a,shop:b', SMTP_IN_PORT: '587', SMTP_IN_TRUSTED_NETWORKS: networks };
    expect(readConfig(env, 'all').smtpIn).toMatchObject({
      port: 587,
      trustedNetworks: [
        { address: '192.168.10.0', prefix: 24, key: 'printer' },
        { address: '2001:db8::', prefix: 32, key: 'printer' },
        { address: '10.1.2.3', prefix: 32, key: 'shop' },
      ],
    });
  });

  test('a worker needs no certificate that the API has', () => {
    const tls = { SMTP_IN_PORT: '587', SMTP_IN_TLS_CERT: '/nowhere.pem', SMTP_IN_TLS_KEY: '/nowhere.pem' };
    const env = { ...FIVE, ...tls, REDIS_URL: 'redis://localhost', API_KEYS: 'a:b' };
    expect(faultsOf(env, 'worker')).toEqual([]);
    expect(faultsOf(env, 'api')).toHaveLength(1);
  });

  test.each([
    ['usgov', 'smtp.office365.us', 'https://login.microsoftonline.us'],
    ['dod', 'smtp-dod.office365.us', 'https://login.microsoftonline.us'],
    ['china', 'smtp.partner.outlook.cn', 'https://login.partner.microsoftonline.cn'],
  ])('the cloud %s sets host and authority together', (cloud, host, authorityHost) => {
    const [mailbox] = readConfig({ ...FIVE, M365_CLOUD: cloud }, 'all').mailboxes;
    expect(mailbox).toMatchObject({ host, login: { application: { authorityHost } } });
  });

  test('a secret may stand in a file', () => {
    const file = join(mkdtempSync(join(tmpdir(), 'relay365-test-')), 'secret');
    writeFileSync(file, 'from-the-file\n');
    const { AZURE_CLIENT_SECRET: _, ...rest } = FIVE;
    const [mailbox] = readConfig({ ...rest, AZURE_CLIENT_SECRET_FILE: file }, 'all').mailboxes;
    expect(mailbox).toMatchObject({ login: { application: { credential: { secret: 'from-the-file' } } } });
  });

  test('of API_KEYS only hashes are kept; the only key may do everything, several only send and read', () => {
    const one = readConfig({ API_KEYS: 'shop:s3cret' }, 'all');
    const two = readConfig({ API_KEYS: 'shop:s3cret,crm:0ther' }, 'all');
    expect(one.apiKeys.map(({ name, scopes }) => [name, scopes])).toEqual([['shop', ['send', 'read', 'admin']]]);
    expect(two.apiKeys.map(({ scopes }) => scopes)).toEqual([
      ['send', 'read'],
      ['send', 'read'],
    ]);
    expect(JSON.stringify(two)).not.toMatch(/s3cret|0ther/);
  });

  test('BODY_KEYS has keys in their order, and no fault of theirs tells them', () => {
    const { bodyKeys } = readConfig({ BODY_KEYS: `2026:${BODY_KEY}, plain` }, 'all');
    expect(bodyKeys).toEqual([{ id: '2026', secret: Buffer.alloc(32, 'x') }, 'plain']);
    expect(readConfig({}, 'all').bodyKeys).toEqual([]);
    expect(faultsOf({ BODY_KEYS: `2026:${BODY_KEY.slice(1)}` }).join()).not.toContain(BODY_KEY.slice(1, 10));
  });

  test('every fault is told, each with its variable', () => {
    const env = { PORT: '99999', SMTP_PORT: 'x', M365_CLOUD: 'mars', REDIS_URL: 'http://x', M365_MAILBOX: 'nobody' };
    const named = faultsOf(env).map((fault) => fault.split(' ')[0]);
    expect(new Set(named)).toEqual(new Set(Object.keys(env)));
  });

  test.each<[string, Record<string, string>, RegExp, Role?]>([
    [
      'a credential without a mailbox',
      APP,
      /^M365_MAILBOX is not set, but AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET are/,
    ],
    [
      'a password login without a mailbox',
      { SMTP_USER: 'noreply@contoso.com' },
      /^M365_MAILBOX is not set, but SMTP_USER is/,
    ],
    ['no tenant', { ...FIVE, AZURE_TENANT_ID: '' }, /^AZURE_TENANT_ID is required/],
    ['no credential', { ...FIVE, AZURE_CLIENT_SECRET: '' }, /^AZURE_CLIENT_SECRET is required/],
    [
      'two credentials',
      { ...FIVE, AZURE_FEDERATED_TOKEN_FILE: '/x' },
      /^AZURE_CLIENT_SECRET is one credential too many/,
    ],
    [
      'a misspelt variable',
      { ...FIVE, M365_MAILBOXES: 'x' },
      /^M365_MAILBOXES is not a variable of relay365; did you mean M365_MAILBOX/,
    ],
    [
      'a secret file that is not there',
      { AZURE_CLIENT_SECRET_FILE: '/nowhere' },
      /^AZURE_CLIENT_SECRET_FILE cannot be read/,
    ],
    ['a body key that is too short', { BODY_KEYS: 'a:c2hvcnQ=' }, /^BODY_KEYS must be name:key.*32 bytes in Base64/],
    ['a body key that is no Base64', { BODY_KEYS: `a:${'-'.repeat(44)}` }, /^BODY_KEYS must be name:key/],
    ['a body key without a name', { BODY_KEYS: BODY_KEY }, /^BODY_KEYS must be name:key/],
    [
      'two body keys of one name',
      { BODY_KEYS: `a:${BODY_KEY},a:${BODY_KEY}` },
      /^BODY_KEYS must have each name only once/,
    ],
    ['a proxy that is no address', { TRUSTED_PROXIES: 'proxy.internal' }, /^TRUSTED_PROXIES must be addresses/],
    ['proxies of all the world', { TRUSTED_PROXIES: '0.0.0.0/0' }, /^TRUSTED_PROXIES must be addresses/],
    [
      'a network without a key',
      { SMTP_IN_TRUSTED_NETWORKS: '10.0.0.0/8' },
      /^SMTP_IN_TRUSTED_NETWORKS must be cidr=key/,
    ],
    ['a network that is none', { SMTP_IN_TRUSTED_NETWORKS: '10.0.0/8=shop' }, /^SMTP_IN_TRUSTED_NETWORKS must be cidr/],
    ['all the world', { SMTP_IN_TRUSTED_NETWORKS: '0.0.0.0/0=shop' }, /^SMTP_IN_TRUSTED_NETWORKS must not trust/],
    ['half of the world', { SMTP_IN_TRUSTED_NETWORKS: '128.0.0.0/1=shop' }, /^SMTP_IN_TRUSTED_NETWORKS must not trust/],
    ['all the world by IPv6', { SMTP_IN_TRUSTED_NETWORKS: '::/0=shop' }, /^SMTP_IN_TRUSTED_NETWORKS must not trust/],
    ['a long prefix', { SMTP_IN_TRUSTED_NETWORKS: '10.0.0.0/33=shop' }, /^SMTP_IN_TRUSTED_NETWORKS must not trust/],
    ['a network of no key', { SMTP_IN_TRUSTED_NETWORKS: '10.0.0.0/8=shop' }, /^SMTP_IN_TRUSTED_NETWORKS names shop/],
    [
      'SMTP without TLS',
      { ...FIVE, API_KEYS: 'a:b', SMTP_IN_PORT: '25' },
      /^SMTP_IN_TLS_CERT is required with SMTP_IN_PORT/,
    ],
    [
      'SMTP by TLS without TLS',
      { ...FIVE, SMTP_IN_TLS_PORT: '465' },
      /^SMTP_IN_TLS_CERT is required with SMTP_IN_TLS_PORT/,
    ],
    ['a certificate without its key', { SMTP_IN_TLS_CERT: 'cert.pem' }, /^SMTP_IN_TLS_KEY is required/],
    [
      'a certificate that is not there',
      { SMTP_IN_TLS_CERT: '/nowhere.pem', SMTP_IN_TLS_KEY: '/nowhere.pem' },
      /^SMTP_IN_TLS_CERT cannot be used/,
    ],
    [
      'a slip of the pen',
      { SMTP_IN_CERT: 'x' },
      /^SMTP_IN_CERT is not a variable of relay365; known are SMTP_IN_PORT, /,
    ],
    ['an open host without keys', { HOST: '0.0.0.0' }, /^API_KEYS is required with HOST=0.0.0.0/],
    ['an API without Redis', FIVE, /^REDIS_URL is required/, 'api'],
    ['a worker without a mailbox', { REDIS_URL: 'redis://localhost' }, /^M365_MAILBOX is required/, 'worker'],
    ['the port of implicit TLS', { ...FIVE, SMTP_PORT: '465' }, /^SMTP_PORT must not be 465/],
    ['a file that is not there', { CONFIG_FILE: '/nowhere.yaml' }, /^CONFIG_FILE cannot be read/],
  ])('%s is refused', (_title, env, message, role) => {
    expect(faultsOf(env, role).join('\n')).toMatch(message);
  });

  test('.env.example names every variable with its default', () => {
    const text = readFileSync(new URL('../../.env.example', import.meta.url), 'utf8');
    const lines = [...text.matchAll(/^(# )?([A-Z0-9_]+)=(.*)$/gm)];
    const defaults = Object.entries(VARIABLES).flatMap(([name, variable]) =>
      'fallback' in variable && variable.fallback !== '' ? [`${name}=${variable.fallback}`] : [],
    );
    expect(new Set(lines.map(([, , name]) => name))).toEqual(new Set(Object.keys(VARIABLES)));
    expect(
      lines
        .filter(([, comment]) => !comment)
        .map(([, , name, value]) => `${name}=${value}`)
        .sort(),
    ).toEqual(defaults.sort());
  });
});

describe('relay365.yaml', () => {
  test('the example is read', () => {
    const text = readFileSync(new URL('../../relay365.example.yaml', import.meta.url), 'utf8');
    const { faults, read } = fromFile(text);
    expect(faults).toEqual([]);
    expect(
      read().mailboxes.map(({ mailbox, unknown }) => [mailbox.id, mailbox.limits.messagesPerMinute, unknown]),
    ).toEqual([
      ['noreply@contoso.com', 30, 'retry'],
      ['news1@contoso.com', 30, 'retry'],
      ['news2@contoso.com', 20, 'hold'],
    ]);
    expect(read().pools).toEqual([
      { name: 'news', mailboxes: ['news1@contoso.com', 'news2@contoso.com'], stickyBy: 'recipient' },
    ]);
  });

  test('a mailbox takes from the environment what it leaves out', () => {
    const { read } = fromFile('mailboxes:\n  - address: a@contoso.com\n', APP);
    expect(read().mailboxes).toMatchObject([{ login: { application: { tenantId: 'tenant' } } }]);
  });

  test('a credential of its own stands alone', () => {
    const { read } = fromFile('mailboxes:\n  - address: a@contoso.com\n    certificatePath: /x.pem\n', APP);
    expect(read().mailboxes).toMatchObject([{ login: { application: { credential: { kind: 'certificate' } } } }]);
  });

  test("the environment's mailbox is the default", () => {
    const yaml = 'mailboxes:\n  - address: a@contoso.com\n  - address: noreply@contoso.com\n';
    expect(
      fromFile(yaml, FIVE)
        .read()
        .mailboxes.map(({ mailbox }) => mailbox.id),
    ).toEqual(['noreply@contoso.com', 'a@contoso.com']);
    const other = 'mailboxes:\n  - address: a@contoso.com\n';
    expect(
      fromFile(other, FIVE)
        .read()
        .mailboxes.map(({ mailbox }) => mailbox.id),
    ).toEqual(['noreply@contoso.com', 'a@contoso.com']);
  });

  test.each([
    [
      'mailboxes:\n  - adress: x@y.z',
      'relay365.yaml:2 mailboxes[0].adress is not a field of relay365; did you mean address?',
    ],
    ['mailboxes:\n  - address: nobody\n', 'relay365.yaml:2 mailboxes[0].address'],
    ['mailboxes:\n\n  - address: a@b.c\n    smtpPort: many\n', 'relay365.yaml:4 mailboxes[0].smtpPort must be integer'],
    [
      'mailboxes:\n  - address: a@b.c\n    cloud: mars\n',
      'relay365.yaml:3 mailboxes[0].cloud must be one of global, usgov, dod, china',
    ],
    [
      'pools:\n  - name: news\n    mailboxes: [x@y.z]\n',
      'relay365.yaml:3 pools[0].mailboxes[0] x@y.z is not a mailbox',
    ],
    ['smtpIn:\n  rewriteFrom: [printer]\n', 'relay365.yaml:2 smtpIn.rewriteFrom[0] printer is not an API key'],
    [
      'mailboxes:\n  - address: a@b.c\n  - address: A@b.c\n',
      'relay365.yaml:3 mailboxes[1].address a@b.c is listed twice',
    ],
    [
      'mailboxes:\n  - address: a@b.c\npools:\n  - { name: p, mailboxes: [a@b.c] }\n  - { name: p, mailboxes: [a@b.c] }\n',
      'relay365.yaml:5 pools[1].name p is listed twice',
    ],
    ['mailboxes: [', 'relay365.yaml:1 '],
    [
      'apiKeys:\n  - name: shop\n    hash: plain\n',
      'relay365.yaml:3 apiKeys[0].hash must be sha256: and 64 hexadecimal digits',
    ],
    [
      `apiKeys:\n  - name: shop\n    hash: sha256:${'a'.repeat(64)}\n    expires: soon\n`,
      'relay365.yaml:4 apiKeys[0].expires must be a day',
    ],
  ])('%j is refused with line and field', (yaml, fault) => {
    expect(fromFile(yaml, APP).faults.join('\n')).toContain(fault);
  });

  test('and no fault is told twice', () => {
    const { faults } = fromFile('mailboxes:\n  - address: a@b.c\n    adress: x@y.z\n', APP);
    expect(faults).toEqual(['relay365.yaml:3 mailboxes[0].adress is not a field of relay365; did you mean address?']);
  });
});
