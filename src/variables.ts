/** The environment variables: one table gives each its type, its default, its check and its words. */
import { CLOUDS, type CloudName } from './core/clouds.ts';

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
const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'];

export const VARIABLES = {
  HOST: { read: text, fallback: '127.0.0.1' },
  PORT: { read: integer(0, PORT_MAX), fallback: '3000' },
  REDIS_URL: { read: redisUrl, secret: true },
  REDIS_SENTINELS: { read: nodes, fallback: '' },
  REDIS_SENTINEL_MASTER: { read: text, fallback: 'mymaster' },
  REDIS_CLUSTER_NODES: { read: nodes, fallback: '' },
  DATA_DIR: { read: text, fallback: './data' },
  API_KEYS: { read: apiKeys, fallback: '', secret: true },
  M365_MAILBOX: { read: text },
  AZURE_TENANT_ID: { read: text },
  AZURE_CLIENT_ID: { read: text },
  AZURE_CLIENT_SECRET: { read: text, secret: true },
  AZURE_CLIENT_CERTIFICATE_PATH: { read: text },
  AZURE_FEDERATED_TOKEN_FILE: { read: text },
  AZURE_AUTHORITY_HOST: { read: httpsUrl },
  M365_CLOUD: { read: cloud, fallback: 'global' },
  SMTP_HOST: { read: text },
  SMTP_PORT: { read: integer(1, PORT_MAX), fallback: '587' },
  SMTP_USER: { read: text },
  SMTP_PASSWORD: { read: text, secret: true },
  M365_CONNECTIONS: { read: integer(0, 1_000), fallback: '3' },
  M365_MESSAGES_PER_MINUTE: { read: integer(0, 1_000_000), fallback: '30' },
  M365_RECIPIENTS_PER_DAY: { read: integer(0, 1_000_000_000), fallback: '10000' },
  RETRY_DELAYS_SECONDS: { read: delays, fallback: '30,60,120,240,480,900,1800,3600' },
  MESSAGE_TTL_HOURS: { read: number(0.001, 24 * 30), fallback: '24' },
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

/** A variable that is set wrong, or missing: in words that say what would be right. */
export interface Fault {
  readonly variable: string;
  readonly message: string;
}

/** Reads all variables; an empty one counts as unset. A faulty one is reported and stands as its default. */
export function readVariables(env: Readonly<Record<string, string | undefined>>): { values: Values; faults: Fault[] } {
  const faults: Fault[] = [];
  const entries = Object.entries(VARIABLES).map(([name, variable]: [string, Variable<unknown>]) => {
    const given = env[name]?.trim();
    const fallback = variable.fallback === undefined ? undefined : variable.read(variable.fallback);
    if (!given) return [name, fallback];
    try {
      return [name, variable.read(given)];
    } catch (error) {
      faults.push({ variable: name, message: (error as Error).message });
      return [name, fallback];
    }
  });
  return { values: Object.fromEntries(entries) as Values, faults };
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

function delays(value: string): readonly [number, ...number[]] {
  const [first, ...rest] = value.split(',').map((delay) => number(0.001, 86_400 * DAYS_MAX)(delay.trim()));
  if (first === undefined) throw new Error('must be seconds, separated by commas');
  return [first, ...rest];
}
