/**
 * The environment and relay365.yaml, read and checked as a whole. All faults are reported at once, and a process starts
 * only without any.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { isErrno, messageOf } from '../lib/errors.ts';
import { isLoopback } from '../lib/ip.ts';
import { addressKey } from '../core/message/address.ts';
import type { ApiKey, Scope } from '../core/submit/api-key.ts';
import { EXCHANGE_LIMITS, type MailboxLimits } from '../core/mailbox/mailbox.ts';
import type { BodyKey } from '../queue/records/body-cipher.ts';
import type { QueueLimits } from '../queue/accept/queue-limits.ts';
import type { RedisLocation } from '../queue/redis/client.ts';
import { type ConfigFile, readConfigFile } from './config-file.ts';
import type { Fault } from './fault.ts';
import { type MailboxConfig, readDay } from './mailbox-config.ts';
import { readMailboxes } from './mailboxes.ts';
import { readSmtpIn, type SmtpInConfig } from './smtp-in-config.ts';
import { readVariables, type Values } from './variables.ts';

/** `all` is `npm start`: only this role runs without REDIS_URL and without a mailbox. */
export type Role = 'all' | 'api' | 'worker' | 'doctor';

export interface PoolConfig {
  readonly name: string;
  /** Ids of its mailboxes. */
  readonly mailboxes: readonly [string, ...string[]];
  readonly stickyBy: 'recipient' | 'none';
}

export interface Config {
  readonly listen: { readonly host: string; readonly port: number };
  /** Proxies that are trusted to name the address of a client. */
  readonly trustedProxies: readonly string[];
  /** Where a separate worker serves its metrics; undefined: nowhere. */
  readonly metricsPort: number | undefined;
  readonly apiKeys: readonly ApiKey[];
  readonly smtpIn: SmtpInConfig;
  /** Undefined: the embedded one. */
  readonly redis: RedisLocation | undefined;
  readonly dataDir: string;
  /** The first encrypts bodies in Redis, all decrypt them; empty: bodies are not encrypted. */
  readonly bodyKeys: readonly BodyKey[];
  /** The first is the default; empty: the sandbox. */
  readonly mailboxes: readonly MailboxConfig[];
  readonly pools: readonly PoolConfig[];
  /** The limits of a mailbox without limits of its own. */
  readonly limits: MailboxLimits;
  readonly retryDelaysMs: readonly [number, ...number[]];
  readonly messageTtlMs: number;
  /** How much may wait in all queues together. */
  readonly queueLimits: QueueLimits;
  readonly retentionMs: number;
  readonly logLevel: string;
  readonly shutdownTimeoutMs: number;
}

/** The configuration is invalid or incomplete; the message lists every fault. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly faults: readonly Fault[];

  constructor(faults: readonly Fault[]) {
    const title = `The configuration has ${faults.length === 1 ? 'an error' : `${faults.length} errors`}`;
    super(`${title}:\n${faults.map(({ where, message }) => `  ${where} ${message}`).join('\n')}`);
    this.faults = faults;
  }
}

const HOUR_MS = 3_600_000;
const MEGABYTE = 1024 ** 2;
const DEFAULT_FILE = 'relay365.yaml';

/** @throws ConfigError with all faults. */
export function readConfig(env: Readonly<Record<string, string | undefined>>, role: Role): Config {
  const { values, faults } = readVariables(env);
  const file = openFile(values, faults);
  const limits = limitsOf(values);
  const mailboxes = readMailboxes(values, limits, file, faults);
  const apiKeys = [...keysOfVariable(values), ...keysOfFile(file, faults)];
  const server = role === 'api' || mailboxes.length > 0 ? 'own' : 'sandbox';
  const config: Config = {
    listen: { host: values.HOST, port: values.PORT },
    trustedProxies: values.TRUSTED_PROXIES,
    metricsPort: values.METRICS_PORT,
    apiKeys,
    smtpIn: readSmtpIn(values, { keys: apiKeys, file, server: isServing(role) ? server : 'none', faults }),
    redis: redisLocation(values),
    dataDir: values.DATA_DIR,
    bodyKeys: values.BODY_KEYS,
    mailboxes,
    pools: poolsOf(file, mailboxes, faults),
    limits,
    retryDelaysMs: inMs(values.RETRY_DELAYS_SECONDS),
    messageTtlMs: values.MESSAGE_TTL_HOURS * HOUR_MS,
    queueLimits: { messagesMax: values.QUEUE_MESSAGES_MAX, bytesMax: values.QUEUE_MEGABYTES_MAX * MEGABYTE },
    retentionMs: values.RETENTION_DAYS * 24 * HOUR_MS,
    logLevel: values.LOG_LEVEL,
    shutdownTimeoutMs: values.SHUTDOWN_TIMEOUT_SECONDS * 1_000,
  };
  // An incomplete mailbox has its faults listed already: "no mailbox" would only hide them.
  if (faults.length === 0) faults.push(...roleFaults(config, role));
  if (faults.length > 0) throw new ConfigError(faults);
  return config;
}

function openFile({ CONFIG_FILE }: Values, faults: Fault[]): ConfigFile | undefined {
  const path = CONFIG_FILE ?? DEFAULT_FILE;
  try {
    const { file, faults: found } = readConfigFile(path, readFileSync(path, 'utf8'));
    faults.push(...found);
    return file;
  } catch (error) {
    if (CONFIG_FILE === undefined && isErrno(error, 'ENOENT')) return undefined;
    faults.push({ where: 'CONFIG_FILE', message: `cannot be read: ${messageOf(error)}` });
    return undefined;
  }
}

function poolsOf(file: ConfigFile | undefined, mailboxes: readonly MailboxConfig[], faults: Fault[]): PoolConfig[] {
  return (file?.content.pools ?? []).flatMap(({ name, mailboxes: members, stickyBy = 'none' }, i) => {
    const ids = members.map(addressKey);
    for (const [j, id] of ids.entries()) {
      if (mailboxes.some(({ mailbox }) => mailbox.id === id)) continue;
      faults.push({
        where: file?.place(['pools', i, 'mailboxes', j]) ?? name,
        message: `${id} is not a mailbox of this configuration`,
      });
    }
    const [first, ...others] = [...new Set(ids)];
    return first === undefined ? [] : [{ name, mailboxes: [first, ...others] as const, stickyBy }];
  });
}

/** A single key in the variable belongs to the owner and may do everything. Of several, each sees only its own messages. */
function keysOfVariable({ API_KEYS: keys }: Values): ApiKey[] {
  const scopes: Scope[] = keys.length === 1 ? ['send', 'read', 'admin'] : ['send', 'read'];
  return keys.map(({ name, secret }) => ({ name, hash: createHash('sha256').update(secret).digest(), scopes }));
}

function keysOfFile(file: ConfigFile | undefined, faults: Fault[]): ApiKey[] {
  return (file?.content.apiKeys ?? []).map(
    ({ hash, scopes = ['send', 'read'], expires, queuedMegabytesMax, ...rest }, i) => {
      const end = readDay(expires, file?.place(['apiKeys', i, 'expires']) ?? 'expires', faults);
      return {
        ...rest,
        hash: Buffer.from(hash.slice('sha256:'.length), 'hex'),
        scopes,
        ...(end && { expires: end }),
        ...(queuedMegabytesMax !== undefined && { queuedBytesMax: queuedMegabytesMax * MEGABYTE }),
      };
    },
  );
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

function limitsOf(values: Values): MailboxLimits {
  return {
    ...EXCHANGE_LIMITS,
    connections: values.M365_CONNECTIONS,
    messagesPerMinute: values.M365_MESSAGES_PER_MINUTE,
    recipientsPerDay: values.M365_RECIPIENTS_PER_DAY,
  };
}

function roleFaults(config: Config, role: Role): Fault[] {
  const faults: Fault[] = [];
  if ((role === 'api' || role === 'worker') && !config.redis) {
    faults.push({
      where: 'REDIS_URL',
      message: 'is required: the API and the workers share one Redis, such as redis://localhost:6379',
    });
  }
  if (role !== 'all' && config.mailboxes.length === 0) {
    faults.push({ where: 'M365_MAILBOX', message: 'is required: the sandbox runs only with npm start' });
  }
  if (isServing(role) && config.apiKeys.length === 0 && !isLoopbackHost(config.listen.host)) {
    faults.push({
      where: 'API_KEYS',
      message: `is required with HOST=${config.listen.host}: without a key anyone on that network could send as you. Set name:secret, or HOST=127.0.0.1`,
    });
  }
  return faults;
}

function isServing(role: Role): boolean {
  return role === 'all' || role === 'api';
}

function isLoopbackHost(host: string): boolean {
  return host === 'localhost' || isLoopback(host);
}

function inMs([first, ...rest]: readonly [number, ...number[]]): [number, ...number[]] {
  return [first * 1_000, ...rest.map((seconds) => seconds * 1_000)];
}
