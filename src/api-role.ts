/** The API: takes messages over HTTP, puts them into the queue and tells what became of them. */
import { randomUUID } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import type { Config } from './config/config.ts';
import type { Directory, Mailbox } from './core/mailbox.ts';
import type { Message } from './core/message.ts';
import { createSubmit, type Submit } from './core/submit.ts';
import { openDesk } from './desk.ts';
import { type MailEvents, mailEvents } from './events.ts';
import { buildApp, type SandboxMessages } from './http/app.ts';
import type { FindMessage } from './http/routes/message.ts';
import type { Logger } from './log.ts';
import { withDeadline } from './queue/deadline.ts';
import { openGovernor } from './queue/governor.ts';
import type { Keys } from './queue/keys.ts';
import { openProducer } from './queue/producer.ts';
import { openRecords } from './queue/records.ts';
import { openRedis, type RedisClient, type RedisLocation } from './queue/redis.ts';
import { takeSeat } from './queue/seats.ts';
import { redisErrors } from './redis-report.ts';
import { VERSION } from './version.ts';

export interface ApiRole {
  /** `http://127.0.0.1:3000` */
  readonly url: string;
  /** Takes over another configuration's mailboxes, pools and keys. */
  reload(config: Config): void;
  /** Answers what it has taken, refuses the rest, and ends. */
  close(): Promise<void>;
}

export interface ApiOptions {
  /** Has at least one mailbox. */
  readonly config: Config;
  readonly location: RedisLocation;
  readonly keys: Keys;
  readonly log: Logger;
  readonly sandbox?: SandboxMessages;
}

/** How long a question to Redis may take before the API says that Redis is away. */
const REDIS_DEADLINE_MS = 1_000;

/** Opens the API. It starts without Redis as well, and says 503 until there is one. */
export async function openApi({ config, location, keys, log, sandbox }: ApiOptions): Promise<ApiRole> {
  const redis = openRedis(location, 'fail-fast', 'api');
  const onError = redisErrors(log);
  redis.on('error', onError);
  let current = config;
  const directory = () => directoryOf(current);
  const producer = openProducer(redis, keys, onError);
  const records = openRecords(redis, keys, config.retentionMs);
  const governor = openGovernor({ redis, keys });
  const findMessage: FindMessage = async (id) => {
    const stored = await records.find(id);
    const { message, state } = stored ?? {};
    if (!message || (state?.status !== 'queued' && state?.status !== 'deferred')) return stored;
    const [standing, estimatedAt] = await Promise.all([
      governor.standing(message.mailbox),
      producer.estimate(message, throughOf(message, directory())),
    ]);
    return { message, state, standing, ...(estimatedAt && { estimatedAt }) };
  };
  const submit = createSubmit({
    directory,
    enqueue: producer.enqueue,
    newId: randomUUID,
    now: () => new Date(),
    messageTtlMs: config.messageTtlMs,
  });
  const app = buildApp({
    submit: logged(submit, mailEvents(log)),
    directory,
    findMessage: (id) => withDeadline(findMessage(id), REDIS_DEADLINE_MS),
    desk: openDesk({
      governor,
      producer,
      config: () => current,
      takeSeat: ({ id, limits: { connections } }) =>
        takeSeat({ redis, keys, worker: `doctor-${randomUUID()}`, mailbox: { id, connections }, onError }),
    }),
    ready: () => readiness(redis),
    keys: () => current.apiKeys,
    logger: log,
    version: VERSION,
    ...(sandbox && { sandbox }),
  });
  const close = async () => {
    await app.close();
    await producer.close();
    redis.disconnect();
  };
  try {
    const url = await listen(app, config.listen);
    return {
      url,
      reload: (changed) => {
        current = changed;
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

async function listen(app: FastifyInstance, { host, port }: Config['listen']): Promise<string> {
  try {
    return await app.listen({ host, port });
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code !== 'EADDRINUSE') throw cause;
    throw new Error(`${host}:${port} is taken by another program: end that one, or set PORT to another port.`, {
      cause,
    });
  }
}

function directoryOf({ mailboxes, pools }: Config): Directory {
  const all = mailboxes.map(({ mailbox }) => mailbox);
  const member = (id: string): Mailbox[] => all.filter((mailbox) => mailbox.id === id);
  return {
    mailboxes: all,
    pools: pools.flatMap(({ name, mailboxes: ids }) => {
      const [first, ...others] = ids.flatMap(member);
      return first ? [{ name, members: [first, ...others] as const }] : [];
    }),
  };
}

function throughOf(message: Message, { mailboxes, pools }: Directory): readonly Mailbox[] {
  return (
    pools.find(({ name }) => name === message.pool)?.members ?? mailboxes.filter(({ id }) => id === message.mailbox)
  );
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
