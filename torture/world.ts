/** All that a run needs: Redis and relay365's processes, which are broken, and the simulated Exchange, which counts. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExchangeRule } from '../src/sandbox/exchange-script.ts';
import { openSandbox, type Sandbox } from '../src/sandbox/sandbox.ts';
import { openRedisServer, type RedisServer } from './redis-server.ts';
import { makeSlot, type Slot } from './slot.ts';
import { type InTurn, makeTurns } from './turn.ts';
import { openWay, type Way } from './way.ts';

export interface World {
  /** Holds the logs and Redis's file; it stays after a breach. */
  readonly folder: string;
  readonly sandbox: Sandbox;
  readonly redis: RedisServer;
  /** Faults of Redis take turns: a server that is dead can't be frozen. */
  readonly redisInTurn: InTurn;
  readonly apis: readonly Slot[];
  readonly workers: readonly Slot[];
  /** Each worker's way to Redis. */
  readonly ways: readonly Way[];
  /** Makes Exchange misbehave; the answer removes the rule. */
  script(rule: ExchangeRule): () => void;
  close(): Promise<void>;
}

export const MAILBOXES: readonly string[] = [1, 2, 3, 4].map((n) => `mailbox${n}@contoso.com`);
export const CONNECTIONS_MAX = 3;
/** As slow as Exchange is with each message: so that there is one under way when something breaks. */
const PACE: ExchangeRule = { stage: 'data', delayMs: 300, times: Number.POSITIVE_INFINITY };
/** Above the load, so that a mailbox can catch up; below what it could do, so that the limit is felt. */
export const MESSAGES_PER_MINUTE = 120;
/** How Exchange tells a message that it is beyond the rate; no script of ours says it so. */
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
    makeSlot({ name: `api-${n}`, file: 'src/api.ts', env, folder, ready: /API ready at/ }),
  );
  const ways = await Promise.all([1, 2, 3].map(() => openWay(redis.socket)));
  const workers = ways.map(({ url }, i) =>
    makeSlot({
      name: `worker-${i + 1}`,
      file: 'src/worker.ts',
      env: { ...env, REDIS_URL: url },
      folder,
      ready: /worker ready/,
    }),
  );
  await Promise.all([...apis, ...workers].map((slot) => slot.start()));
  let endPace = sandbox.exchange.script(PACE);
  return {
    folder,
    sandbox,
    redis,
    redisInTurn: makeTurns(),
    apis,
    workers,
    ways,
    script: (rule) => {
      const remove = sandbox.exchange.script(rule);
      // The first rule that fits is the one that acts: the pace must be the last.
      endPace();
      endPace = sandbox.exchange.script(PACE);
      return remove;
    },
    close: async () => {
      await Promise.all([...apis, ...workers].map((slot) => slot.end('SIGKILL')));
      for (const way of ways) way.close();
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

/** Where an API listens now; undefined while it does not. */
export function urlOf({ readyLines }: Slot): string | undefined {
  return firstOf(readyLines, /API ready at (http:\/\/[\d.]+:\d+)/);
}

/** Where the same API takes mail by SMTP. */
export function smtpPortOf({ readyLines }: Slot): number | undefined {
  const port = firstOf(readyLines, /SMTP ready at [\d.]+:(\d+)/);
  return port === undefined ? undefined : Number(port);
}

function firstOf(lines: readonly string[], pattern: RegExp): string | undefined {
  return lines.map((line) => pattern.exec(line)?.[1]).find((found) => found !== undefined);
}
