/**
 * What the environment asks of a process, read once and checked as a whole: every fault is reported, not the first, and
 * a process starts only without one.
 */
import { CLOUDS } from './core/clouds.ts';
import { addressKey, parseAddress } from './core/address.ts';
import { EXCHANGE_LIMITS, type Mailbox, type MailboxLimits } from './core/mailbox.ts';
import type { Application, Credential } from './entra/credential.ts';
import type { RedisLocation } from './queue/redis.ts';
import { type Fault, readVariables, type Values } from './variables.ts';

/** `all` is `npm start`; it alone may do without Redis and without a mailbox. */
export type Role = 'all' | 'api' | 'worker';

export type LoginConfig =
  | { readonly kind: 'oauth'; readonly application: Application }
  | { readonly kind: 'password'; readonly user: string; readonly password: string };

/** A mailbox with all that is needed to send through it. */
export interface MailboxConfig {
  readonly mailbox: Mailbox;
  readonly host: string;
  readonly port: number;
  readonly login: LoginConfig;
}

export interface Config {
  readonly listen: { readonly host: string; readonly port: number };
  readonly apiKeys: readonly { readonly name: string; readonly secret: string }[];
  /** Undefined: the embedded one. */
  readonly redis: RedisLocation | undefined;
  readonly dataDir: string;
  /** Undefined: the sandbox. */
  readonly mailbox: MailboxConfig | undefined;
  /** The limits of each mailbox that has none of its own. */
  readonly limits: MailboxLimits;
  readonly retryDelaysMs: readonly [number, ...number[]];
  readonly messageTtlMs: number;
  readonly retentionMs: number;
  readonly logLevel: string;
  readonly shutdownTimeoutMs: number;
}

/** The environment does not say what is needed; the message lists every fault. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly faults: readonly Fault[];

  constructor(faults: readonly Fault[]) {
    super(
      `The configuration has ${faults.length === 1 ? 'a fault' : `${faults.length} faults`}:\n${faults.map(line).join('\n')}`,
    );
    this.faults = faults;
  }
}

/** @throws ConfigError with all faults. */
export function readConfig(env: Readonly<Record<string, string | undefined>>, role: Role): Config {
  const { values, faults } = readVariables(env);
  const config = makeConfig(values, faults);
  faults.push(...roleFaults(config, role));
  if (faults.length > 0) throw new ConfigError(faults);
  return config;
}

const HOUR_MS = 3_600_000;

function makeConfig(values: Values, faults: Fault[]): Config {
  return {
    listen: { host: values.HOST, port: values.PORT },
    apiKeys: values.API_KEYS,
    redis: redisLocation(values),
    dataDir: values.DATA_DIR,
    mailbox: mailboxConfig(values, faults),
    limits: limits(values),
    retryDelaysMs: inMs(values.RETRY_DELAYS_SECONDS),
    messageTtlMs: values.MESSAGE_TTL_HOURS * HOUR_MS,
    retentionMs: values.RETENTION_DAYS * 24 * HOUR_MS,
    logLevel: values.LOG_LEVEL,
    shutdownTimeoutMs: values.SHUTDOWN_TIMEOUT_SECONDS * 1_000,
  };
}

function redisLocation(values: Values): RedisLocation | undefined {
  if (values.REDIS_URL === undefined) return undefined;
  return {
    url: values.REDIS_URL,
    sentinels: values.REDIS_SENTINELS,
    sentinelMaster: values.REDIS_SENTINEL_MASTER,
    clusterNodes: values.REDIS_CLUSTER_NODES,
  };
}

function roleFaults(config: Config, role: Role): Fault[] {
  const faults: Fault[] = [];
  if (role !== 'all' && !config.redis) {
    faults.push({
      variable: 'REDIS_URL',
      message: 'is needed: the API and the workers meet in one Redis, such as redis://localhost:6379',
    });
  }
  if (role !== 'all' && !config.mailbox) {
    faults.push({ variable: 'M365_MAILBOX', message: 'is needed: the sandbox runs only with npm start' });
  }
  if (role !== 'worker' && config.apiKeys.length === 0 && !isLoopback(config.listen.host)) {
    faults.push({
      variable: 'API_KEYS',
      message: `is needed with HOST=${config.listen.host}: without a key anyone there could send as you. Set name:secret, or HOST=127.0.0.1`,
    });
  }
  return faults;
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}

function mailboxConfig(values: Values, faults: Fault[]): MailboxConfig | undefined {
  if (values.M365_MAILBOX === undefined) {
    faults.push(...orphans(values));
    return undefined;
  }
  const parsed = parseAddress(values.M365_MAILBOX);
  if (!parsed.ok) {
    faults.push({ variable: 'M365_MAILBOX', message: parsed.problem });
    return undefined;
  }
  const { address } = parsed.address;
  const login = loginConfig(values, address, faults);
  if (!login) return undefined;
  return {
    mailbox: { id: addressKey(address), address, sendAs: [], limits: limits(values) },
    host: values.SMTP_HOST ?? CLOUDS[values.M365_CLOUD].smtpHost,
    port: values.SMTP_PORT,
    login,
  };
}

/** A credential without a mailbox would run the sandbox while its owner believes that mail goes out. */
function orphans(values: Values): Fault[] {
  const given = (
    ['AZURE_TENANT_ID', 'AZURE_CLIENT_ID', 'AZURE_CLIENT_SECRET', 'SMTP_PASSWORD', 'SMTP_HOST'] as const
  ).filter((name) => values[name] !== undefined);
  if (given.length === 0) return [];
  return [
    {
      variable: 'M365_MAILBOX',
      message: `is not set, but ${given.join(', ')} ${given.length > 1 ? 'are' : 'is'}: set it to the sending mailbox's address`,
    },
  ];
}

function limits(values: Values): MailboxLimits {
  return {
    ...EXCHANGE_LIMITS,
    connections: values.M365_CONNECTIONS,
    messagesPerMinute: values.M365_MESSAGES_PER_MINUTE,
    recipientsPerDay: values.M365_RECIPIENTS_PER_DAY,
  };
}

function loginConfig(values: Values, address: string, faults: Fault[]): LoginConfig | undefined {
  const { SMTP_PASSWORD: password, AZURE_TENANT_ID: tenantId, AZURE_CLIENT_ID: clientId } = values;
  if (password !== undefined) return { kind: 'password', user: values.SMTP_USER ?? address, password };
  const credential = readCredential(values, faults);
  if (tenantId === undefined)
    faults.push({ variable: 'AZURE_TENANT_ID', message: 'is needed: Directory (tenant) ID of the app registration' });
  if (clientId === undefined)
    faults.push({ variable: 'AZURE_CLIENT_ID', message: 'is needed: Application (client) ID of the app registration' });
  if (!credential || tenantId === undefined || clientId === undefined) return undefined;
  const cloud = CLOUDS[values.M365_CLOUD];
  const authorityHost = values.AZURE_AUTHORITY_HOST ?? cloud.authorityHost;
  return { kind: 'oauth', application: { tenantId, clientId, credential, authorityHost, scope: cloud.scope } };
}

function readCredential(values: Values, faults: Fault[]): Credential | undefined {
  const {
    AZURE_CLIENT_SECRET: secret,
    AZURE_CLIENT_CERTIFICATE_PATH: certificate,
    AZURE_FEDERATED_TOKEN_FILE: token,
  } = values;
  const given: Credential[] = [];
  if (secret !== undefined) given.push({ kind: 'secret', secret });
  if (certificate !== undefined) given.push({ kind: 'certificate', path: certificate });
  if (token !== undefined) given.push({ kind: 'federated', path: token });
  if (given.length === 1) return given[0];
  const message =
    given.length === 0
      ? 'is needed (or AZURE_CLIENT_CERTIFICATE_PATH, or AZURE_FEDERATED_TOKEN_FILE): the app registration proves itself with it'
      : 'is one credential too many: give only one of AZURE_CLIENT_SECRET, AZURE_CLIENT_CERTIFICATE_PATH, AZURE_FEDERATED_TOKEN_FILE';
  faults.push({ variable: 'AZURE_CLIENT_SECRET', message });
  return undefined;
}

function inMs([first, ...rest]: readonly [number, ...number[]]): readonly [number, ...number[]] {
  return [first * 1_000, ...rest.map((seconds) => seconds * 1_000)];
}

function line({ variable, message }: Fault): string {
  return `  ${variable} ${message}`;
}
