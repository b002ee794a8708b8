/** The API: takes messages over HTTP and SMTP, puts them into the queue and tells what became of them. */
import { createHash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import type { FastifyInstance } from 'fastify';
import type { Config } from '../config/config.ts';
import type { MailboxAdmin } from '../core/admin/mailbox-admin.ts';
import type { MessageAdmin } from '../core/admin/message-admin.ts';
import type { CountRequest } from '../core/submit/request-rate.ts';
import { createPrepare, createPrepareRaw, type Submission } from '../core/submit/submission.ts';
import { createSubmit, createSubmitAll, createSubmitRaw, type EnqueueOutcome } from '../core/submit/submit.ts';
import { openMailboxAdmin } from './mailbox-admin.ts';
import { directoryOf } from './directory.ts';
import { type MailEvents, mailEvents } from '../observe/message-events.ts';
import { buildApp, type SandboxMessages } from '../http/app.ts';
import type { Logger } from '../observe/log.ts';
import type { Metrics } from '../observe/metrics.ts';
import { openMessageAdmin } from './message-admin.ts';
import { makeBodyCipher } from '../queue/records/body-cipher.ts';
import { withTimeout } from '../lib/async.ts';
import { openThrottle, WINDOW_MS } from '../queue/limits/throttle.ts';
import type { Keys } from '../queue/redis/keys.ts';
import { findOrphanedQueues } from '../queue/upkeep/orphaned-queues.ts';
import { openBackpressure } from '../queue/accept/queue-limits.ts';
import { openProducer } from '../queue/accept/producer.ts';
import { openRecords } from '../queue/records/records.ts';
import { openRedis, type RedisClient, type RedisLocation } from '../queue/redis/client.ts';
import { countRequest } from '../queue/accept/request-counter.ts';
import { takeGuestLease } from '../queue/limits/guest-lease.ts';
import { redisErrors } from '../observe/redis-report.ts';
import { compose } from '../smtp/compose.ts';
import { headerValues } from '../smtp/header-values.ts';
import type { SmtpInLimits } from '../smtp-in/limits.ts';
import { openSmtpInRole, type SmtpInDefaults, type SmtpInRole } from './smtp-in-role.ts';
import { VERSION } from './version.ts';

export interface ApiRole {
  /** `http://127.0.0.1:3000` */
  readonly url: string;
  /** Where mail comes in by SMTP, if it does. */
  readonly smtpIn: Pick<SmtpInRole, 'port' | 'tlsPort'> | undefined;
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
  readonly metrics: Metrics;
  readonly sandbox?: SandboxMessages;
  readonly smtpInDefaults?: SmtpInDefaults;
  readonly smtpInLimits?: Partial<SmtpInLimits>;
  /** The window of the limit of messages a minute, for tests that have no minute. */
  readonly windowMs?: number;
}

/** How long a question to Redis may take before the API says that Redis is away. */
const REDIS_DEADLINE_MS = 1_000;
const LIST_DEADLINE_MS = 5_000;
const CONNECT_DEADLINE_MS = 5_000;

/** Opens the API. When Redis is away it starts without it, and says 503 until there is one. */
export async function openApi({ config, location, keys, log, metrics, ...options }: ApiOptions): Promise<ApiRole> {
  const { sandbox } = options;
  const redis = openRedis(location, 'fail-fast', 'api');
  const onError = redisErrors(log);
  redis.on('error', onError);
  let current = config;
  const directory = () => directoryOf(current);
  const cipher = makeBodyCipher(config.bodyKeys);
  const records = openRecords(redis, keys, config.retentionMs);
  const load = openBackpressure(redis, keys, config.queueLimits);
  const { windowMs = WINDOW_MS } = options;
  const producer = openProducer({ redis, keys, records, cipher, load, windowMs, onError });
  const throttle = openThrottle({ redis, keys });
  const events = mailEvents(log, metrics);
  const messages = openMessageAdmin({
    redis,
    keys,
    records,
    producer,
    throttle,
    directory,
    messageTtlMs: config.messageTtlMs,
    onCanceled: events.canceled,
  });
  const submission = { directory, newId, now: () => new Date(), messageTtlMs: config.messageTtlMs };
  const { enqueue, enqueueAll } = producer;
  const mailboxAdmin = openMailboxAdmin({
    throttle,
    producer,
    config: () => current,
    orphanedQueues: () => findOrphanedQueues(redis, keys, directory()),
    takeGuestLease: ({ id, limits: { connections } }) =>
      takeGuestLease({ redis, keys, guest: `doctor-${randomUUID()}`, mailbox: { id, connections }, onError }),
  });
  metrics.begin(namesOf(config));
  metrics.watchFleet({
    mailboxes: () => withTimeout(mailboxAdmin.list(), REDIS_DEADLINE_MS),
    pools: () => withTimeout(mailboxAdmin.pools(), REDIS_DEADLINE_MS),
    waiting: () => withTimeout(load.waiting(), REDIS_DEADLINE_MS),
    limits: config.queueLimits,
  });
  const submitRaw = createSubmitRaw({
    ...submission,
    headerValues,
    enqueue: async (one) => told(one, await enqueue(one), events),
  });
  const countInTime: CountRequest = (client) => withTimeout(countRequest(redis, keys, client), REDIS_DEADLINE_MS);
  const app = buildApp({
    metrics,
    submit: createSubmit({ ...submission, enqueue: async (one) => told(one, await enqueue(one), events) }),
    submitRaw,
    submitAll: createSubmitAll({
      ...submission,
      enqueueAll: async (all) => (await enqueueAll(all)).map((outcome, i) => told(all[i], outcome, events)),
    }),
    prepare: createPrepare(submission),
    prepareRaw: createPrepareRaw({ ...submission, headerValues }),
    compose,
    directory,
    messages: inTime(messages),
    mailboxAdmin: mailboxesInTime(mailboxAdmin),
    ready: () => readiness(redis),
    keys: () => current.apiKeys,
    countRequest: countInTime,
    logger: log,
    ...(config.trustedProxies.length > 0 && { trustProxy: [...config.trustedProxies] }),
    version: VERSION,
    ...(sandbox && { sandbox }),
  });
  let smtpIn: SmtpInRole | undefined;
  const close = async () => {
    await Promise.all([app.close(), smtpIn?.close()]);
    await producer.close();
    redis.disconnect();
  };
  try {
    await connected(redis);
    const url = await listen(app, config.listen);
    smtpIn = await openSmtpInRole({
      config: () => current,
      directory,
      submit: submitRaw,
      countRequest: countInTime,
      log,
      metrics,
      defaults: options.smtpInDefaults,
      ...(options.smtpInLimits && { limits: options.smtpInLimits }),
    });
    return {
      url,
      smtpIn,
      reload: (changed) => {
        current = changed;
        smtpIn?.reload();
        metrics.begin(namesOf(changed));
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Who listens before it has Redis refuses its first messages. When Redis is away, it is waited for no longer. */
async function connected(redis: RedisClient): Promise<void> {
  if (redis.status === 'ready') return;
  await once(redis, 'ready', { signal: AbortSignal.timeout(CONNECT_DEADLINE_MS) }).catch(() => undefined);
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

/** Of the mailboxes and pools. */
function namesOf({ mailboxes, pools }: Config): readonly string[] {
  return [...mailboxes.map(({ mailbox }) => mailbox.id), ...pools.map(({ name }) => name)];
}

/** A version 8 UUID (RFC 9562 5.8): random, or what follows from the seed. */
function newId(seed?: string): string {
  if (seed === undefined) return randomUUID();
  const hex = createHash('sha256').update(seed).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

function told(submission: Submission | undefined, outcome: EnqueueOutcome, events: MailEvents): EnqueueOutcome {
  if (submission && outcome.kind === 'queued') events.accepted(submission.message);
  return outcome;
}

/** A mailboxAdmin that says within a second that Redis is away. What works on many messages takes its time. */
function inTime({ find, list, cancel, retry, retryAll }: MessageAdmin): MessageAdmin {
  return {
    find: (id) => withTimeout(find(id), REDIS_DEADLINE_MS),
    list: (query) => withTimeout(list(query), LIST_DEADLINE_MS),
    cancel: (id) => withTimeout(cancel(id), REDIS_DEADLINE_MS),
    retry: (id) => withTimeout(retry(id), REDIS_DEADLINE_MS),
    retryAll,
  };
}

/** The same of mailboxes; a diagnosis talks with Exchange and takes its time. */
function mailboxesInTime({ list, pools, find, verify, pause, resume }: MailboxAdmin): MailboxAdmin {
  return {
    list: () => withTimeout(list(), REDIS_DEADLINE_MS),
    pools: () => withTimeout(pools(), REDIS_DEADLINE_MS),
    find: (id) => withTimeout(find(id), REDIS_DEADLINE_MS),
    verify,
    pause: (id) => withTimeout(pause(id), REDIS_DEADLINE_MS),
    resume: (id) => withTimeout(resume(id), REDIS_DEADLINE_MS),
  };
}

async function readiness(redis: RedisClient): Promise<{ ok: boolean; checks: { redis: string } }> {
  try {
    await withTimeout(redis.ping(), REDIS_DEADLINE_MS);
    return { ok: true, checks: { redis: 'ok' } };
  } catch (error) {
    return { ok: false, checks: { redis: `Redis can't be reached: ${(error as Error).message}` } };
  }
}
