/** The environment variables: one table gives each its type, default and check. */
import { didYouMean } from '../lib/did-you-mean.ts';
import type { Fault } from './fault.ts';
import {
  apiKeys,
  bodyKeys,
  cloud,
  delays,
  httpsUrl,
  integer,
  managedIdentity,
  networks,
  nodes,
  number,
  oneOf,
  redisUrl,
  text,
  trustedNetworks,
  unknownPolicy,
  type Read,
} from './readers.ts';
import { readSecretFile } from './secret-file.ts';

interface Variable<T> {
  readonly read: Read<T>;
  /** The text for an unset variable; without it an unset one is undefined. */
  readonly fallback?: string;
  readonly secret?: true;
}

const PORT_MAX = 65_535;
const DAYS_MAX = 3_650;
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
 * Reads all variables; an empty one counts as unset. An invalid one is reported, and its default is used. A secret may be in
 * a file that `NAME_FILE` names.
 */
export function readVariables(env: Readonly<Record<string, string | undefined>>): { values: Values; faults: Fault[] } {
  const faults: Fault[] = misspelt(env);
  const entries = Object.entries(VARIABLES).map(([name, variable]: [string, Variable<unknown>]) => {
    const given = env[name]?.trim() || (variable.secret && secretFile(env, name, faults));
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
  faults: Fault[],
): string | undefined {
  const path = env[`${name}_FILE`]?.trim();
  return path ? readSecretFile(path, `${name}_FILE`, faults) : undefined;
}

const OWN_PREFIXES = ['M365_', 'SMTP_IN_'];

/** A variable with a prefix of relay365's own that does not exist is misspelt, and would be ignored without a word. */
function misspelt(env: Readonly<Record<string, string | undefined>>): Fault[] {
  const names = Object.keys(VARIABLES);
  return Object.keys(env).flatMap((where) => {
    const prefix = OWN_PREFIXES.find((own) => where.startsWith(own));
    if (prefix === undefined || names.includes(where)) return [];
    const known = names.filter((name) => name.startsWith(prefix));
    const meant = didYouMean(
      where.slice(prefix.length),
      known.map((name) => name.slice(prefix.length)),
    );
    const hint = meant ? `did you mean ${prefix}${meant}?` : `known are ${known.join(', ')}`;
    return [{ where, message: `is not a variable of relay365; ${hint}` }];
  });
}

/** A credential without a mailbox would start the sandbox, while its owner believes that mail is sent. */
export function orphans(values: Values): Fault[] {
  const names = [
    'AZURE_TENANT_ID',
    'AZURE_CLIENT_ID',
    'AZURE_CLIENT_SECRET',
    'AZURE_CLIENT_CERTIFICATE_PATH',
    'AZURE_MANAGED_IDENTITY',
    'SMTP_USER',
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
