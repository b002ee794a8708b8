/** What a run needs: Redis and relay365's processes, which get the faults, and the simulated Exchange, which counts. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExchangeRule } from '../src/sandbox/exchange-script.ts';
import { openSandbox, type Sandbox } from '../src/sandbox/sandbox.ts';
import { openRedisServer, type RedisServer } from './redis-server.ts';
import { manageProcess, type ManagedProcess } from './managed-process.ts';
import { type Mutex, makeMutex } from './mutex.ts';
import { openRedisProxy, type RedisProxy } from '../test/helpers/redis-proxy.ts';

export interface World {
  /** Holds the logs and Redis's file. It is kept after a breach. */
  readonly folder: string;
  readonly sandbox: Sandbox;
  readonly redis: RedisServer;
  /** Faults of Redis run one after the other: a dead server cannot be frozen. */
  readonly redisMutex: Mutex;
  readonly apis: readonly ManagedProcess[];
  readonly workers: readonly ManagedProcess[];
  /** Each worker reaches Redis through one of them. */
  readonly redisProxies: readonly RedisProxy[];
  /** Makes Exchange misbehave. The returned function removes the rule. */
  script(rule: ExchangeRule): () => void;
  close(): Promise<void>;
}

export const MAILBOXES: readonly string[] = [1, 2, 3, 4].map((n) => `mailbox${n}@contoso.com`);
export const CONNECTIONS_MAX = 3;
/** As slow as Exchange is, so that a message is in progress when something breaks. */
const PACE: ExchangeRule = { stage: 'data', delayMs: 300, times: Number.POSITIVE_INFINITY };
/** Above the load, so that a mailbox can catch up. Below what it could send, so that the limit has an effect. */
export const MESSAGES_PER_MINUTE = 120;
/** Exchange's reply to a message beyond the rate. No scripted reply has this text. */
export const RATE_REPLY = '451 4.7.500 Server busy. Please try again later (rate)';
export const SHUTDOWN_TIMEOUT_SECONDS = 10;
export const SECRET = 'a-secret-that-no-log-may-show';

export async function openWorld(): Promise<World> {
  const folder = mkdtempSync(join(tmpdir(), 'relay365-torture-'));
  const sandbox = await openSandbox({
    limits: { messagesPerMinute: MESSAGES_PER_MINUTE, messageRateReply: RATE_REPLY, connections: CONNECTIONS_MAX },
  });
  sandbox.entra.setSecrets(sandbox.mailbox.clientId, SECRET);
  for (const address of MAILBOXES) sandbox.exchange.addMailbox({ address });
  const redis = openRedisServer(folder);
  await redis.start();
  const env = environment(folder, sandbox, redis.url);
  const apis = [1, 2].map((n) =>
    manageProcess({ name: `api-${n}`, file: 'src/api.ts', env, folder, ready: /API ready at/ }),
  );
  const redisProxies = await Promise.all([1, 2, 3].map(() => openRedisProxy(redis.socket)));
  const workers = redisProxies.map(({ url }, i) =>
    manageProcess({
      name: `worker-${i + 1}`,
      file: 'src/worker.ts',
      env: { ...env, REDIS_URL: url },
      folder,
      ready: /worker ready/,
    }),
  );
  await Promise.all([...apis, ...workers].map((one) => one.start()));
  let endPace = sandbox.exchange.script(PACE);
  return {
    folder,
    sandbox,
    redis,
    redisMutex: makeMutex(),
    apis,
    workers,
    redisProxies,
    script: (rule) => {
      const remove = sandbox.exchange.script(rule);
      // The first rule that matches is applied, so the pace must be the last.
      endPace();
      endPace = sandbox.exchange.script(PACE);
      return remove;
    },
    close: async () => {
      await Promise.all([...apis, ...workers].map((one) => one.end('SIGKILL')));
      for (const proxy of redisProxies) proxy.close();
      await redis.close();
      await sandbox.close();
    },
  };
}

function environment(folder: string, sandbox: Sandbox, redisUrl: string): Record<string, string> {
  const certificate = join(folder, 'ca.pem');
  const configFile = join(folder, 'relay365.yaml');
  writeFileSync(certificate, sandbox.caCertificate);
  writeFileSync(configFile, `mailboxes:\n${MAILBOXES.map((address) => `  - address: ${address}\n`).join('')}`);
  const { PATH = '', HOME = '' } = process.env;
  return {
    PATH,
    HOME,
    NODE_EXTRA_CA_CERTS: certificate,
    CONFIG_FILE: configFile,
    REDIS_URL: redisUrl,
    HOST: '127.0.0.1',
    PORT: '0',
    SMTP_IN_PORT: '0',
    AZURE_TENANT_ID: sandbox.mailbox.tenantId,
    AZURE_CLIENT_ID: sandbox.mailbox.clientId,
    AZURE_CLIENT_SECRET: SECRET,
    AZURE_AUTHORITY_HOST: sandbox.authorityHost,
    SMTP_HOST: sandbox.smtp.host,
    SMTP_PORT: String(sandbox.smtp.port),
    M365_CONNECTIONS: String(CONNECTIONS_MAX),
    M365_MESSAGES_PER_MINUTE: String(MESSAGES_PER_MINUTE),
    RETRY_DELAYS_SECONDS: '0.5,1,2',
    BODY_KEYS: `torture:${randomBytes(32).toString('base64')}`,
    SHUTDOWN_TIMEOUT_SECONDS: String(SHUTDOWN_TIMEOUT_SECONDS),
  };
}

/** The API's URL. Undefined while it does not listen. */
export function urlOf({ readyLines }: ManagedProcess): string | undefined {
  return firstOf(readyLines, /API ready at (http:\/\/[\d.]+:\d+)/);
}

/** The same API's port for SMTP. */
export function smtpPortOf({ readyLines }: ManagedProcess): number | undefined {
  const port = firstOf(readyLines, /SMTP ready at [\d.]+:(\d+)/);
  return port === undefined ? undefined : Number(port);
}

function firstOf(lines: readonly string[], pattern: RegExp): string | undefined {
  return lines.map((line) => pattern.exec(line)?.[1]).find((found) => found !== undefined);
}
