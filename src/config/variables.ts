/** The environment variables: one table gives each its type, its default, its check and its words. */
import { isIP, isIPv4, isIPv6 } from 'node:net';
import { CLOUDS, type CloudName } from '../core/clouds.ts';
import type { BodyKey } from '../queue/body-cipher.ts';
import type { Fault } from './fault.ts';

/** Reads a variable's text; throws an Error whose message says what would be right. */
type Read<T> = (text: string) => T;

interface Variable<T> {
  readonly read: Read<T>;
  /** The text that stands for an unset variable; without it an unset one is undefined. */
  readonly fallback?: string;
  readonly secret?: true;
}

const PORT_MAX = 65_535;
const DAYS_MAX = 3_650;
const BODY_KEY_BYTES = 32;
const PLAIN = 'plain' satisfies BodyKey;
const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'];

export const VARIABLES = {
  HOST: { read: text, fallback: '127.0.0.1' },
  PORT: { read: integer(0, PORT_MAX), fallback: '3000' },
  TRUSTED_PROXIES: { read: networks, fallback: '' },
  METRICS_PORT: { read: integer(0, PORT_MAX) },
  SMTP_IN_PORT: { read: integer(0, PORT_MAX) },
  SMTP_IN_TLS_PORT: { read: integer(0, PORT_MAX) },
  SMTP_IN_TLS_CERT: { read: text },
  SMTP_IN_TLS_KEY: { read: text },
  SMTP_IN_TRUSTED_NETWORKS: { read: trustedNetworks, fallback: '' },
  REDIS_URL: { read: redisUrl, secret: true },
  REDIS_SENTINELS: { read: nodes, fallback: '' },
  REDIS_SENTINEL_MASTER: { read: text, fallback: 'mymaster' },
  REDIS_CLUSTER_NODES: { read: nodes, fallback: '' },
  CONFIG_FILE: { read: text },
  DATA_DIR: { read: text, fallback: './data' },
  BODY_KEYS: { read: bodyKeys, fallback: '', secret: true },
  API_KEYS: { read: apiKeys, fallback: '', secret: true },
  M365_MAILBOX: { read: text },
  AZURE_TENANT_ID: { read: text },
  AZURE_CLIENT_ID: { read: text },
  AZURE_CLIENT_SECRET: { read: text, secret: true },
  AZURE_CLIENT_CERTIFICATE_PATH: { read: text },
  AZURE_FEDERATED_TOKEN_FILE: { read: text },
  AZURE_MANAGED_IDENTITY: { read: managedIdentity },
  AZURE_AUTHORITY_HOST: { read: httpsUrl },
  M365_CLOUD: { read: cloud, fallback: 'global' },
  SMTP_HOST: { read: text },
  SMTP_PORT: { read: integer(1, PORT_MAX), fallback: '587' },
  SMTP_USER: { read: text },
  SMTP_PASSWORD: { read: text, secret: true },
  M365_UNKNOWN_POLICY: { read: unknownPolicy, fallback: 'retry' },
  M365_CONNECTIONS: { read: integer(0, 1_000), fallback: '3' },
  M365_MESSAGES_PER_MINUTE: { read: integer(0, 1_000_000), fallback: '30' },
  M365_RECIPIENTS_PER_DAY: { read: integer(0, 1_000_000_000), fallback: '10000' },
  RETRY_DELAYS_SECONDS: { read: delays, fallback: '30,60,120,240,480,900,1800,3600' },
  MESSAGE_TTL_HOURS: { read: number(0.001, 24 * 30), fallback: '24' },
  QUEUE_MESSAGES_MAX: { read: integer(0, 1_000_000_000), fallback: '500000' },
  QUEUE_MEGABYTES_MAX: { read: integer(0, 1_000_000), fallback: '2048' },
  RETENTION_DAYS: { read: number(0.001, DAYS_MAX), fallback: '7' },
  LOG_LEVEL: { read: oneOf(LOG_LEVELS), fallback: 'info' },
  SHUTDOWN_TIMEOUT_SECONDS: { read: number(0, 3_600), fallback: '30' },
} satisfies Readonly<Record<string, Variable<unknown>>>;

export type VariableName = keyof typeof VARIABLES;

/** Each variable's value: undefined only for one without a default. */
export type Values = {
  readonly [Name in VariableName]:
    | ReturnType<(typeof VARIABLES)[Name]['read']>
    | ((typeof VARIABLES)[Name] extends { readonly fallback: string } ? never : undefined);
};

/**
 * Reads all variables; an empty one counts as unset. A faulty one is reported and stands as its default. A secret may
 * stand in a file that `NAME_FILE` names.
 */
export function readVariables(
  env: Readonly<Record<string, string | undefined>>,
  readSecret: (path: string) => string,
): { values: Values; faults: Fault[] } {
  const faults: Fault[] = misspelt(env);
  const entries = Object.entries(VARIABLES).map(([name, variable]: [string, Variable<unknown>]) => {
    const given = env[name]?.trim() || (variable.secret && secretFile(env, name, readSecret, faults));
    const fallback = variable.fallback === undefined ? undefined : variable.read(variable.fallback);
    if (!given) return [name, fallback];
    try {
      return [name, variable.read(given)];
    } catch (error) {
      faults.push({ where: name, message: (error as Error).message });
      return [name, fallback];
    }
  });
  return { values: Object.fromEntries(entries) as Values, faults };
}

function secretFile(
  env: Readonly<Record<string, string | undefined>>,
  name: string,
  readSecret: (path: string) => string,
  faults: Fault[],
): string | undefined {
  const path = env[`${name}_FILE`]?.trim();
  if (!path) return undefined;
  try {
    return readSecret(path);
  } catch (error) {
    faults.push({ where: `${name}_FILE`, message: `can't be read: ${(error as Error).message}` });
    return undefined;
  }
}

const OWN_PREFIXES = ['M365_', 'SMTP_IN_'];

/** A variable of relay365's own prefix that does not exist is a slip of the pen that would go unnoticed. */
function misspelt(env: Readonly<Record<string, string | undefined>>): Fault[] {
  const names = Object.keys(VARIABLES);
  return Object.keys(env).flatMap((where) => {
    const prefix = OWN_PREFIXES.find((own) => where.startsWith(own));
    if (prefix === undefined || names.includes(where)) return [];
    const others = names.filter((name) => name.startsWith(prefix)).join(', ');
    return [{ where, message: `is no variable of relay365; those are ${others}` }];
  });
}

/** A credential without a mailbox would run the sandbox while its owner believes that mail goes out. */
export function orphans(values: Values): Fault[] {
  const names = [
    'AZURE_TENANT_ID',
    'AZURE_CLIENT_ID',
    'AZURE_CLIENT_SECRET',
    'AZURE_MANAGED_IDENTITY',
    'SMTP_PASSWORD',
    'SMTP_HOST',
  ] as const;
  const given = names.filter((name) => values[name] !== undefined);
  if (given.length === 0) return [];
  const are = given.length > 1 ? 'are' : 'is';
  return [
    {
      where: 'M365_MAILBOX',
      message: `is not set, but ${given.join(', ')} ${are}: set it to the sending mailbox's address`,
    },
  ];
}

function text(value: string): string {
  return value;
}

function number(min: number, max: number): Read<number> {
  return (value) => {
    const parsed = Number(value);
    if (!/^\d+(\.\d+)?$/.test(value) || parsed < min || parsed > max)
      throw new Error(`must be a number from ${min} to ${max}`);
    return parsed;
  };
}

function integer(min: number, max: number): Read<number> {
  return (value) => {
    const parsed = Number(value);
    if (!/^\d+$/.test(value) || parsed < min || parsed > max)
      throw new Error(`must be a whole number from ${min} to ${max}`);
    return parsed;
  };
}

function oneOf(names: readonly string[]): Read<string> {
  return (value) => {
    if (!names.includes(value)) throw new Error(`must be one of ${names.join(', ')}`);
    return value;
  };
}

function cloud(value: string): CloudName {
  return oneOf(Object.keys(CLOUDS))(value) as CloudName;
}

function unknownPolicy(value: string): 'retry' | 'hold' {
  return oneOf(['retry', 'hold'])(value) as 'retry' | 'hold';
}

function managedIdentity(value: string): string {
  if (!/^(system|[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12})$/i.test(value))
    throw new Error('must be system, or the client id of a user-assigned identity');
  return value.toLowerCase();
}

function httpsUrl(value: string): string {
  const url = URL.parse(value);
  if (url?.protocol !== 'https:') throw new Error('must be an https:// URL, such as https://login.microsoftonline.com');
  return value.replace(/\/+$/, '');
}

function redisUrl(value: string): string {
  const url = URL.parse(value);
  if (!url || !['redis:', 'rediss:', 'unix:'].includes(url.protocol)) {
    throw new Error('must be a redis://, rediss:// or unix: URL, such as redis://localhost:6379');
  }
  return value;
}

function networks(value: string): readonly string[] {
  const list = value
    .split(',')
    .map((network) => network.trim())
    .filter(Boolean);
  if (!list.every(isNetwork)) throw new Error('must be addresses or networks, such as 10.0.0.7,192.168.0.0/16,::1');
  return list;
}

function isNetwork(text: string): boolean {
  const [address = '', bits, ...rest] = text.split('/');
  const version = isIP(address);
  if (version === 0 || rest.length > 0) return false;
  return (
    bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) > 0 && Number(bits) <= (version === 4 ? 32 : 128))
  );
}

function nodes(value: string): readonly string[] {
  const list = value
    .split(',')
    .map((node) => node.trim())
    .filter(Boolean);
  if (!list.every((node) => /^(\[[\da-f:]+\]|[\w.-]+):\d+$/i.test(node)))
    throw new Error('must be host:port[,host:port]');
  return list;
}

function apiKeys(value: string): readonly { readonly name: string; readonly secret: string }[] {
  return value
    .split(',')
    .map((pair) => pair.trim())
    .filter(Boolean)
    .map((pair) => {
      const [, name, secret] = /^([\w.-]{1,64}):(\S+)$/.exec(pair) ?? [];
      if (!name || !secret)
        throw new Error('must be name:secret[,name:secret], the name of letters, digits, ".", "_" and "-"');
      return { name, secret };
    });
}

function bodyKeys(value: string): readonly BodyKey[] {
  const keys = value
    .split(',')
    .map((entry) => entry.trim())
    .filter(Boolean)
    .map(bodyKey);
  const names = keys.map((key) => (key === PLAIN ? key : key.id));
  if (new Set(names).size < names.length) throw new Error('must have each name once');
  return keys;
}

function bodyKey(entry: string): BodyKey {
  if (entry === PLAIN) return PLAIN;
  const [, id = '', base64 = ''] = /^([\w.-]{1,64}):(\S+)$/.exec(entry) ?? [];
  const secret = Buffer.from(base64, 'base64');
  // Node reads whatever looks like Base64 and passes over the rest: a mistyped key would be another key.
  if (id === '' || secret.length !== BODY_KEY_BYTES || secret.toString('base64') !== base64) {
    throw new Error(
      `must be name:key[,name:key], each key ${BODY_KEY_BYTES} bytes in Base64 (openssl rand -base64 ${BODY_KEY_BYTES}), or ${PLAIN}`,
    );
  }
  return { id, secret };
}

/** Wider ones hold strangers: to trust them would be an open relay. */
const PREFIX_MIN = { ipv4: 8, ipv6: 16 };
const PREFIX_MAX = { ipv4: 32, ipv6: 128 };

function trustedNetworks(
  value: string,
): readonly { readonly address: string; readonly prefix: number; readonly key: string }[] {
  return value
    .split(',')
    .map((pair) => pair.trim())
    .filter(Boolean)
    .map((pair) => {
      const [, address = '', digits, key = ''] = /^([\da-f.:]+)(?:\/(\d{1,3}))?=([\w.-]{1,64})$/i.exec(pair) ?? [];
      const family = isIPv4(address) ? 'ipv4' : isIPv6(address) ? 'ipv6' : undefined;
      if (!family) throw new Error('must be cidr=key[,cidr=key], such as 192.168.10.0/24=printer');
      const prefix = digits === undefined ? PREFIX_MAX[family] : Number(digits);
      if (prefix < PREFIX_MIN[family] || prefix > PREFIX_MAX[family])
        throw new Error(
          `must not trust ${pair}: the prefix must be from /${PREFIX_MIN[family]} to /${PREFIX_MAX[family]}`,
        );
      return { address, prefix, key };
    });
}

function delays(value: string): readonly [number, ...number[]] {
  const [first, ...rest] = value.split(',').map((delay) => number(0.001, 86_400 * DAYS_MAX)(delay.trim()));
  if (first === undefined) throw new Error('must be seconds, separated by commas');
  return [first, ...rest];
}
