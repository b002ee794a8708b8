/**
 * Lists messages, newest first, from the indexes. A page begins where the last one ended, and not at a number, so that it
 * stays right while messages come in. It reads a bounded number of records, and never a body.
 */
import type { MessageStatus } from '../../core/message/message.ts';
import { CorruptRecordError, decodeRecord, type RecordFields, type StoredMessage } from './codec.ts';
import type { Keys } from '../redis/keys.ts';
import type { RedisClient } from '../redis/client.ts';

/** Where a page ended: its last message. */
export interface Cursor {
  readonly acceptedAtMs: number;
  readonly id: string;
}

export interface ListQuery {
  /** Statuses in the records. Undefined: all. */
  readonly statuses?: readonly MessageStatus[];
  readonly client?: string;
  /** The name of the only queue in which they can be. */
  readonly queue?: string;
  readonly after?: Cursor;
  readonly limit: number;
  /** What the indexes do not know. */
  readonly isWanted: (stored: StoredMessage) => Promise<boolean>;
}

export interface Page {
  readonly items: readonly StoredMessage[];
  /** Unset at the end of the list. A page may be short, and even empty, and yet have a next one. */
  readonly next?: Cursor;
}

/** At most this many records are read for one page: what is rare among very many takes several pages. */
const RECORDS_A_PAGE = 2_000;
const RECORDS_A_TIME = 100;

export async function listMessages(redis: RedisClient, keys: Keys, query: ListQuery): Promise<Page> {
  const indexes = await smallestIndexes(redis, keys, query);
  const items: StoredMessage[] = [];
  let { after } = query;
  for (let read = 0; read < RECORDS_A_PAGE; read += RECORDS_A_TIME) {
    const entries = await entriesAfter(redis, indexes, after);
    for (const { cursor, stored } of await readRecords(redis, keys, entries)) {
      after = cursor;
      if (!stored || !fits(stored, query) || !(await query.isWanted(stored))) continue;
      items.push(stored);
      if (items.length === query.limit) return { items, next: cursor };
    }
    if (entries.length < RECORDS_A_TIME) return { items };
  }
  return { items, ...(after && { next: after }) };
}

/** Each part of the query has its indexes. Those with the fewest entries are read, and the records decide the rest. */
async function smallestIndexes(
  redis: RedisClient,
  keys: Keys,
  { statuses, client, queue }: ListQuery,
): Promise<readonly string[]> {
  const ways = [
    [keys.index],
    ...(statuses ? [statuses.map((status) => keys.indexOfStatus(status))] : []),
    ...(client === undefined ? [] : [[keys.indexOfClient(client)]]),
    ...(queue === undefined ? [] : [[keys.indexOfQueue(queue)]]),
  ];
  const sizes = await Promise.all(
    ways.map(async (way) => (await Promise.all(way.map((index) => redis.zcard(index)))).reduce((a, b) => a + b, 0)),
  );
  return ways[sizes.indexOf(Math.min(...sizes))] ?? [keys.index];
}

/** The next entries of all indexes together, newest first. */
async function entriesAfter(
  redis: RedisClient,
  indexes: readonly string[],
  after: Cursor | undefined,
): Promise<readonly Cursor[]> {
  const found = await Promise.all(indexes.map((index) => entriesOf(redis, index, after)));
  const all = found.flat().sort((one, other) => (isAfter(one, other) ? 1 : -1));
  return all.slice(0, RECORDS_A_TIME);
}

async function entriesOf(redis: RedisClient, index: string, after: Cursor | undefined): Promise<Cursor[]> {
  const max = after?.acceptedAtMs ?? '+inf';
  const found: Cursor[] = [];
  for (let offset = 0; found.length < RECORDS_A_TIME; offset += RECORDS_A_TIME) {
    const flat = await redis.zrevrangebyscore(index, max, '-inf', 'WITHSCORES', 'LIMIT', offset, RECORDS_A_TIME);
    const entries = flat.flatMap((id, i) => (i % 2 === 0 ? [{ id, acceptedAtMs: Number(flat[i + 1]) }] : []));
    found.push(...entries.filter((entry) => after === undefined || isAfter(entry, after)));
    if (entries.length < RECORDS_A_TIME) break;
  }
  return found;
}

/** Whether `one` comes after `other` in the list: Redis keeps those of the same time in the order of their names. */
function isAfter(one: Cursor, other: Cursor): boolean {
  if (one.acceptedAtMs !== other.acceptedAtMs) return one.acceptedAtMs < other.acceptedAtMs;
  return Buffer.compare(Buffer.from(one.id), Buffer.from(other.id)) < 0;
}

/** A message whose record is gone was pruned meanwhile. */
async function readRecords(
  redis: RedisClient,
  keys: Keys,
  cursors: readonly Cursor[],
): Promise<readonly { readonly cursor: Cursor; readonly stored: StoredMessage | undefined }[]> {
  const pipeline = redis.pipeline();
  for (const { id } of cursors) pipeline.hgetall(keys.record(id));
  const results = (await pipeline.exec()) ?? [];
  return cursors.map((cursor, i) => {
    const [error, fields] = results[i] ?? [];
    if (error) throw error;
    return { cursor, stored: decodeOrSkip(cursor.id, (fields ?? {}) as Record<string, string>) };
  });
}

/** A corrupt record must not hide the others; `GET /messages/{id}` reports it. */
function decodeOrSkip(id: string, fields: RecordFields): StoredMessage | undefined {
  try {
    return decodeRecord(id, fields);
  } catch (error) {
    if (error instanceof CorruptRecordError) return undefined;
    throw error;
  }
}

function fits({ message, state }: StoredMessage, { statuses, client }: ListQuery): boolean {
  return (statuses?.includes(state.status) ?? true) && (client === undefined || message.client === client);
}
