/** The API: accepts messages over HTTP and SMTP, queues them and shows their status. */
import type { FastifyInstance } from 'fastify';
import type { Config } from '../config/config.ts';
import type { MailboxAdmin } from '../core/admin/mailbox-admin.ts';
import type { MessageAdmin } from '../core/admin/message-admin.ts';
import { createOutbox, type Outbox } from '../core/submit/outbox.ts';
import { type AppDependencies, buildApp, type SandboxMessages } from '../http/app.ts';
import { messageEvents } from '../observe/message-events.ts';
import type { Metrics } from '../observe/metrics.ts';
import { withTimeout } from '../lib/async.ts';
import { findOrphanedQueues } from '../queue/upkeep/orphaned-queues.ts';
import { compose } from '../smtp/compose.ts';
import { headerValues } from '../smtp/header-values.ts';
import type { SmtpInLimits } from '../smtp-in/limits.ts';
import { type ApiQueue, type ApiQueueOptions, openApiQueue, REDIS_DEADLINE_MS } from './api-queue.ts';
import { directoryOf } from './directory.ts';
import { inTime } from './in-time.ts';
import { openMailboxAdmin } from './mailbox-admin.ts';
import { openMessageAdmin } from './message-admin.ts';
import { newId } from './new-id.ts';
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

/** The configuration has at least one mailbox. */
export interface ApiOptions extends ApiQueueOptions {
  readonly metrics: Metrics;
  readonly sandbox?: SandboxMessages;
  readonly smtpInDefaults?: SmtpInDefaults;
  readonly smtpInLimits?: Partial<SmtpInLimits>;
}

const LIST_DEADLINE_MS = 5_000;
/** What works on many messages, or asks Exchange, takes its time. */
const MESSAGE_DEADLINES_MS = {
  find: REDIS_DEADLINE_MS,
  list: LIST_DEADLINE_MS,
  cancel: REDIS_DEADLINE_MS,
  retry: REDIS_DEADLINE_MS,
};
const MAILBOX_DEADLINES_MS = {
  list: REDIS_DEADLINE_MS,
  pools: REDIS_DEADLINE_MS,
  find: REDIS_DEADLINE_MS,
  pause: REDIS_DEADLINE_MS,
  resume: REDIS_DEADLINE_MS,
};

/** Opens the API. When Redis is away it starts without it, and answers 503 until there is one. */
export async function openApi(options: ApiOptions): Promise<ApiRole> {
  const { metrics } = options;
  let current = options.config;
  const config = () => current;
  const stack = new AsyncDisposableStack();
  try {
    const queue = stack.adopt(openApiQueue(options), (opened) => opened.close());
    const services = openServices(queue, config, options);
    watchFleet(queue, services, options);
    const app = buildApp(httpDependencies(queue, services, config, options));
    let smtpIn: SmtpInRole | undefined;
    // Both at once: a slow client of one must not hold up the end of the other.
    stack.defer(async () => void (await Promise.all([app.close(), smtpIn?.close()])));
    // Without Redis it would refuse its first messages.
    await queue.connected();
    const url = await listen(app, current.listen);
    smtpIn = await openSmtp(queue, services.outbox, config, options);
    const reload = (changed: Config) => {
      current = changed;
      smtpIn?.reload();
      metrics.begin(namesOf(changed));
    };
    return { url, smtpIn, reload, close: () => stack.disposeAsync() };
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}

/** What core has to do with a queue. */
interface Services {
  readonly outbox: Outbox;
  readonly messages: MessageAdmin;
  readonly mailboxAdmin: MailboxAdmin;
}

function openServices(queue: ApiQueue, config: () => Config, { log, metrics, ...options }: ApiOptions): Services {
  const { messageTtlMs } = options.config;
  const { redis, keys, producer } = queue;
  const directory = () => directoryOf(config());
  const events = messageEvents(log, metrics);
  return {
    outbox: createOutbox({
      directory,
      newId,
      now: () => new Date(),
      messageTtlMs,
      headerValues,
      enqueueAll: producer.enqueueAll,
      onAccepted: events.accepted,
    }),
    messages: openMessageAdmin({ ...queue, directory, messageTtlMs, onCanceled: events.canceled }),
    mailboxAdmin: openMailboxAdmin({
      ...queue,
      config,
      orphanedQueues: () => findOrphanedQueues(redis, keys, directory()),
    }),
  };
}

function watchFleet({ load }: ApiQueue, { mailboxAdmin }: Services, { config, metrics }: ApiOptions): void {
  metrics.begin(namesOf(config));
  metrics.watchFleet({
    mailboxes: () => withTimeout(mailboxAdmin.list(), REDIS_DEADLINE_MS),
    pools: () => withTimeout(mailboxAdmin.pools(), REDIS_DEADLINE_MS),
    waiting: () => withTimeout(load.waiting(), REDIS_DEADLINE_MS),
    limits: config.queueLimits,
  });
}

function httpDependencies(
  { ready, guard, countRequest }: ApiQueue,
  { outbox, messages, mailboxAdmin }: Services,
  config: () => Config,
  { metrics, log, sandbox }: ApiOptions,
): AppDependencies {
  const { mailboxes, trustedProxies } = config();
  return {
    outbox,
    compose,
    messageBytesMax: Math.max(...mailboxes.map(({ mailbox }) => mailbox.limits.messageSizeBytesMax)),
    messages: inTime(messages, MESSAGE_DEADLINES_MS),
    mailboxAdmin: inTime(mailboxAdmin, MAILBOX_DEADLINES_MS),
    metrics,
    ready,
    guard,
    countRequest,
    keys: () => config().apiKeys,
    logger: log,
    ...(trustedProxies.length > 0 && { trustProxy: [...trustedProxies] }),
    version: VERSION,
    ...(sandbox && { sandbox }),
  };
}

function openSmtp(
  { guard, countRequest }: ApiQueue,
  { submit }: Outbox,
  config: () => Config,
  { log, metrics, smtpInDefaults: defaults, smtpInLimits: limits }: ApiOptions,
): Promise<SmtpInRole | undefined> {
  const directory = () => directoryOf(config());
  return openSmtpInRole({
    config,
    directory,
    submit,
    guard,
    countRequest,
    log,
    metrics,
    defaults,
    ...(limits && { limits }),
  });
}

/** Connections that may wait to be accepted. Node's 511 are too few for a burst of clients: the others are reset. */
const BACKLOG = 4_096;

async function listen(app: FastifyInstance, { host, port }: Config['listen']): Promise<string> {
  try {
    return await app.listen({ host, port, backlog: BACKLOG });
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code !== 'EADDRINUSE') throw cause;
    throw new Error(`${host}:${port} is in use by another program: end it, or set PORT to another port.`, { cause });
  }
}

/** Of the mailboxes and pools. */
function namesOf({ mailboxes, pools }: Config): readonly string[] {
  return [...mailboxes.map(({ mailbox }) => mailbox.id), ...pools.map(({ name }) => name)];
}
