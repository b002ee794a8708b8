/** The message desk of an API: looks messages up, lists them, cancels them and has them tried anew. */
import type {
  FailureQuery,
  FoundMessage,
  MessageDesk,
  MessagePage,
  MessageQuery,
} from '../core/admin/message-admin.ts';
import type { Directory } from '../core/mailbox/mailbox.ts';
import { type Message, type MessageState, type MessageStatus, toldStatus } from '../core/message/message.ts';
import type { Restrained } from '../core/mailbox/status.ts';
import { standingFor, throughOf } from './directory.ts';
import type { StoredMessage } from '../queue/records/codec.ts';
import type { Governor } from '../queue/limits/throttle.ts';
import type { Keys } from '../queue/redis/keys.ts';
import { type ListQuery, listMessages } from '../queue/records/listing.ts';
import type { Producer } from '../queue/accept/producer.ts';
import type { Records } from '../queue/records/records.ts';
import type { RedisClient } from '../queue/redis/client.ts';

export interface MessageDeskDependencies {
  readonly redis: RedisClient;
  readonly keys: Keys;
  readonly records: Pick<Records, 'find'>;
  readonly producer: Pick<Producer, 'estimate' | 'cancel' | 'retry'>;
  readonly governor: Pick<Governor, 'standing'>;
  readonly directory: () => Directory;
  readonly messageTtlMs: number;
  readonly onCanceled: (message: Message) => void;
}

/** Kept statuses that may be told as another one. */
const TOLD_AS: Readonly<Partial<Record<MessageStatus, readonly MessageStatus[]>>> = {
  queued: ['queued', 'scheduled'],
  held: ['held', 'queued', 'deferred'],
};
const RETRIED_A_TIME = 500;

export function openMessageDesk(dependencies: MessageDeskDependencies): MessageDesk {
  const { records, producer, messageTtlMs, onCanceled } = dependencies;
  const retry = async (stored: StoredMessage) => producer.retry(stored, new Date(Date.now() + messageTtlMs));
  return {
    find: async (id) => {
      const stored = await records.find(id);
      return stored && complete(stored, dependencies);
    },
    list: (query) => list(query, dependencies),
    cancel: async (id) => {
      const stored = await records.find(id);
      const canceled = stored !== undefined && (await producer.cancel(stored));
      if (canceled) onCanceled(stored.message);
      return canceled;
    },
    retry: async (id) => {
      const stored = await records.find(id);
      return stored ? retry(stored) : 'content-gone';
    },
    retryAll: (query) => retryAll(query, retry, dependencies),
  };
}

async function complete(
  stored: StoredMessage,
  { governor, producer, directory }: MessageDeskDependencies,
): Promise<FoundMessage> {
  const { message, state } = stored;
  if (!waits(state)) return { message, state };
  const through = throughOf(message, state, directory());
  const [standing, estimatedAt] = await Promise.all([
    standingFor(message, through, governor.standing),
    producer.estimate(stored, through),
  ]);
  // A person has stopped it, and nobody knows for how long.
  const isTold = estimatedAt !== undefined && standing.state !== 'paused';
  return { message, state, standing, ...(isTold && { estimatedAt }) };
}

function waits({ status }: MessageState): boolean {
  return status === 'queued' || status === 'deferred' || status === 'scheduled';
}

async function list(
  { status, mailbox, client, limit, after }: MessageQuery,
  { redis, keys, governor, directory }: MessageDeskDependencies,
): Promise<MessagePage> {
  const standings = new Map<string, Promise<Restrained>>();
  const standingOnce = (id: string) => {
    const known = standings.get(id) ?? governor.standing(id);
    standings.set(id, known);
    return known;
  };
  const standingOf = ({ message, state }: StoredMessage) =>
    standingFor(message, throughOf(message, state, directory()), standingOnce);
  const told = async (stored: StoredMessage) =>
    toldStatus(stored.state, stored.message, waits(stored.state) ? await standingOf(stored) : undefined, new Date());
  const query: ListQuery = {
    limit,
    ...(status && { statuses: TOLD_AS[status] ?? [status] }),
    ...(client !== undefined && { client }),
    ...(mailbox !== undefined && isOneQueue(mailbox, directory()) && { queue: mailbox }),
    ...(after && { after }),
    isWanted: async (stored) =>
      (mailbox === undefined || isThrough(stored.message, mailbox)) && (!status || (await told(stored)) === status),
  };
  const page = await listMessages(redis, keys, query);
  const items = page.items.map(async (stored) => {
    const { message, state } = stored;
    return waits(state) ? { message, state, standing: await standingOf(stored) } : { message, state };
  });
  return { items: await Promise.all(items), ...(page.next && { next: page.next }) };
}

/** A mailbox in a pool has messages in the pool's queue as well. */
function isOneQueue(mailbox: string, { pools }: Directory): boolean {
  return !pools.some(({ members }) => members.some(({ id }) => id === mailbox));
}

function isThrough(message: Message, mailbox: string): boolean {
  return message.mailbox === mailbox || message.pool === mailbox;
}

async function retryAll(
  query: FailureQuery,
  retry: (stored: StoredMessage) => Promise<string>,
  { redis, keys }: MessageDeskDependencies,
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
    count += outcomes.filter((outcome) => outcome === 'queued').length;
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
