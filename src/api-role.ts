/** The API: takes messages over HTTP, puts them into the queue and tells what became of them. */
import { createHash, randomUUID } from 'node:crypto';
import type { Config, MailboxConfig } from './config.ts';
import { createSubmit, type Submit } from './core/submit.ts';
import { type MailEvents, mailEvents } from './events.ts';
import { buildApp, type SandboxMessages } from './http/app.ts';
import type { Logger } from './log.ts';
import { withDeadline } from './queue/deadline.ts';
import type { Keys } from './queue/keys.ts';
import { openProducer } from './queue/producer.ts';
import { openRecords } from './queue/records.ts';
import { openRedis, type RedisClient, type RedisLocation } from './queue/redis.ts';
import { redisErrors } from './redis-report.ts';
import { VERSION } from './version.ts';

export interface ApiRole {
  /** `http://127.0.0.1:3000` */
  readonly url: string;
  /** Answers what it has taken, refuses the rest, and ends. */
  close(): Promise<void>;
}

export interface ApiOptions {
  readonly config: Config;
  readonly mailboxes: readonly [MailboxConfig, ...MailboxConfig[]];
  readonly location: RedisLocation;
  readonly keys: Keys;
  readonly log: Logger;
  readonly sandbox?: SandboxMessages;
}

/** How long a question to Redis may take before the API says that Redis is away. */
const REDIS_DEADLINE_MS = 1_000;

/** Opens the API. It starts without Redis as well, and says 503 until there is one. */
export async function openApi({ config, mailboxes, location, keys, log, sandbox }: ApiOptions): Promise<ApiRole> {
  const redis = openRedis(location, 'fail-fast', 'api');
  const onError = redisErrors(log);
  redis.on('error', onError);
  const producer = openProducer(redis, keys, onError);
  const records = openRecords(redis, keys, config.retentionMs);
  const [first, ...others] = mailboxes;
  const submit = createSubmit({
    mailboxes: [first.mailbox, ...others.map(({ mailbox }) => mailbox)],
    enqueue: producer.enqueue,
    newId: randomUUID,
    now: () => new Date(),
    messageTtlMs: config.messageTtlMs,
  });
  const app = buildApp({
    submit: logged(submit, mailEvents(log)),
    findMessage: (id) => withDeadline(records.find(id), REDIS_DEADLINE_MS),
    ready: () => readiness(redis),
    keys: config.apiKeys.map(({ name, secret }) => ({ name, hash: createHash('sha256').update(secret).digest() })),
    mailboxes: mailboxes.map(({ mailbox }) => mailbox),
    logger: log,
    version: VERSION,
    ...(sandbox && { sandbox }),
  });
  const url = await app.listen({ host: config.listen.host, port: config.listen.port });
  return {
    url,
    close: async () => {
      await app.close();
      await producer.close();
      redis.disconnect();
    },
  };
}

function logged(submit: Submit, events: MailEvents): Submit {
  return async (draft, client) => {
    const outcome = await submit(draft, client);
    if (outcome.kind === 'accepted') events.accepted(outcome.message);
    return outcome;
  };
}

async function readiness(redis: RedisClient): Promise<{ ok: boolean; checks: { redis: string } }> {
  try {
    await withDeadline(redis.ping(), REDIS_DEADLINE_MS);
    return { ok: true, checks: { redis: 'ok' } };
  } catch (error) {
    return { ok: false, checks: { redis: `Redis can't be reached: ${(error as Error).message}` } };
  }
}
