/** Looks messages up, lists them, cancels them and queues them again: the message admin of an API. */
import { UnreadableMessageError } from '../core/admin/errors.ts';
import type {
  Changed,
  FailureQuery,
  FoundMessage,
  MessageAdmin,
  MessagePage,
  MessageQuery,
  MessageSelector,
} from '../core/admin/message-admin.ts';
import type { Directory } from '../core/mailbox/mailbox.ts';
import { type Message, type MessageState, type MessageStatus, publicStatus } from '../core/message/message.ts';
import type { MailboxStatus } from '../core/mailbox/status.ts';
import { mailboxStatusFor, throughOf } from './directory.ts';
import { CorruptRecordError, type StoredMessage } from '../queue/records/codec.ts';
import type { Throttle } from '../queue/limits/throttle.ts';
import type { Keys } from '../queue/redis/keys.ts';
import { type ListQuery, listMessages } from '../queue/records/listing.ts';
import type { Producer } from '../queue/accept/producer.ts';
import type { Records } from '../queue/records/records.ts';
import type { RedisClient } from '../queue/redis/client.ts';

export interface MessageAdminDependencies {
  readonly redis: RedisClient;
  readonly keys: Keys;
  readonly records: Pick<Records, 'find'>;
  readonly producer: Pick<Producer, 'estimate' | 'cancel' | 'retry'>;
  readonly throttle: Pick<Throttle, 'mailboxStatus'>;
  readonly directory: () => Directory;
  readonly messageTtlMs: number;
  readonly onCanceled: (message: Message) => void;
}

/** Kept statuses that may be shown as another one. */
const SHOWN_AS: Readonly<Partial<Record<MessageStatus, readonly MessageStatus[]>>> = {
  queued: ['queued', 'scheduled'],
  held: ['held', 'queued', 'deferred'],
};
const RETRIED_A_TIME = 500;

export function openMessageAdmin(dependencies: MessageAdminDependencies): MessageAdmin {
  const { producer, messageTtlMs, onCanceled } = dependencies;
  const retry = (stored: StoredMessage) => producer.retry(stored, new Date(Date.now() + messageTtlMs));
  const changed = async <Outcome>(outcome: Outcome, stored: StoredMessage): Promise<Changed<Outcome>> => ({
    outcome,
    found: await complete(stored, dependencies),
  });
  return {
    find: async (which) => {
      const stored = await findStored(which, dependencies);
      return stored && complete(stored, dependencies);
    },
    list: (query) => list(query, dependencies),
    cancel: async (which) => {
      const stored = await findStored(which, dependencies);
      if (!stored) return undefined;
      const canceled = await producer.cancel(stored);
      if (!canceled) return changed('wrong-state', await again(stored, dependencies));
      onCanceled(canceled.message);
      return changed('canceled', canceled);
    },
    retry: async (which) => {
      const stored = await findStored(which, dependencies);
      if (!stored) return undefined;
      const queued = await retry(stored);
      return typeof queued === 'string'
        ? changed(queued, await again(stored, dependencies))
        : changed('queued', queued);
    },
    retryAll: (query) => retryAll(query, retry, dependencies),
  };
}

/** Undefined when there is no such message, or it is another client's. @throws UnreadableMessageError */
async function findStored(
  { id, client }: MessageSelector,
  { records }: Pick<MessageAdminDependencies, 'records'>,
): Promise<StoredMessage | undefined> {
  try {
    const stored = await records.find(id);
    return client === undefined || stored?.message.client === client ? stored : undefined;
  } catch (cause) {
    throw cause instanceof CorruptRecordError ? new UnreadableMessageError(id, { cause }) : cause;
  }
}

/** Read again after a refusal: a worker may have changed the message in between. */
async function again(stored: StoredMessage, dependencies: MessageAdminDependencies): Promise<StoredMessage> {
  return (await findStored({ id: stored.message.id }, dependencies)) ?? stored;
}

async function complete(
  stored: StoredMessage,
  { throttle, producer, directory }: MessageAdminDependencies,
): Promise<FoundMessage> {
  const { message, state } = stored;
  if (!waits(state)) return { message, state };
  const through = throughOf(message, state, directory());
  const [mailboxStatus, estimatedAt] = await Promise.all([
    mailboxStatusFor(message, through, throttle.mailboxStatus),
    producer.estimate(stored, through),
  ]);
  // A person has paused it, for an unknown time.
  const isEstimated = estimatedAt !== undefined && mailboxStatus.state !== 'paused';
  return { message, state, mailboxStatus, ...(isEstimated && { estimatedAt }) };
}

function waits({ status }: MessageState): boolean {
  return status === 'queued' || status === 'deferred' || status === 'scheduled';
}

async function list(
  { status, mailbox, client, limit, after }: MessageQuery,
  { redis, keys, throttle, directory }: MessageAdminDependencies,
): Promise<MessagePage> {
  const mailboxStatuses = new Map<string, Promise<MailboxStatus>>();
  const mailboxStatusOnce = (id: string) => {
    const known = mailboxStatuses.get(id) ?? throttle.mailboxStatus(id);
    mailboxStatuses.set(id, known);
    return known;
  };
  const mailboxStatusOf = ({ message, state }: StoredMessage) =>
    mailboxStatusFor(message, throughOf(message, state, directory()), mailboxStatusOnce);
  const shownStatus = async (stored: StoredMessage) =>
    publicStatus(
      stored.state,
      stored.message,
      waits(stored.state) ? await mailboxStatusOf(stored) : undefined,
      new Date(),
    );
  const query: ListQuery = {
    limit,
    ...(status && { statuses: SHOWN_AS[status] ?? [status] }),
    ...(client !== undefined && { client }),
    ...(mailbox !== undefined && isOneQueue(mailbox, directory()) && { queue: mailbox }),
    ...(after && { after }),
    isWanted: async (stored) =>
      (mailbox === undefined || isThrough(stored.message, mailbox)) &&
      (!status || (await shownStatus(stored)) === status),
  };
  const page = await listMessages(redis, keys, query);
  const items = page.items.map(async (stored) => {
    const { message, state } = stored;
    return waits(state) ? { message, state, mailboxStatus: await mailboxStatusOf(stored) } : { message, state };
  });
  return { items: await Promise.all(items), ...(page.next && { next: page.next }) };
}

/** A mailbox of a pool also has messages in the pool's queue. */
function isOneQueue(mailbox: string, { pools }: Directory): boolean {
  return !pools.some(({ members }) => members.some(({ id }) => id === mailbox));
}

function isThrough(message: Message, mailbox: string): boolean {
  return message.mailbox === mailbox || message.pool === mailbox;
}

async function retryAll(
  query: FailureQuery,
  retry: (stored: StoredMessage) => Promise<unknown>,
  { redis, keys }: MessageAdminDependencies,
): Promise<number> {
  const statuses: readonly MessageStatus[] = ['failed', 'expired'];
  const isWanted = async (stored: StoredMessage) => isMeant(stored, query);
  let count = 0;
  for (let after: ListQuery['after'] | undefined, more = true; more; more = after !== undefined) {
    const page = await listMessages(redis, keys, {
      statuses,
      isWanted,
      limit: RETRIED_A_TIME,
      ...(after && { after }),
    });
    const outcomes = await Promise.all(page.items.map(retry));
    count += outcomes.filter((outcome) => typeof outcome !== 'string').length;
    after = page.next;
  }
  return count;
}

function isMeant({ message, state }: StoredMessage, { mailbox, since, code }: FailureQuery): boolean {
  if (mailbox !== undefined && !isThrough(message, mailbox)) return false;
  if (since && (state.finishedAt ?? message.acceptedAt) < since) return false;
  if (code === undefined) return true;
  const replies = [state.attempts.at(-1)?.reply, ...state.recipients.map(({ reply }) => reply)];
  return replies.some((reply) => String(reply?.code) === code || reply?.enhanced === code);
}
