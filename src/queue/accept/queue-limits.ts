/**
 * How full the queues are, so that the API refuses messages before Redis does: a full Redis could not even record the
 * outcome of the messages that it has.
 */
import type { Client } from '../../core/submit/client.ts';
import type { QueueFull } from '../../core/submit/outbox.ts';
import type { Keys } from '../redis/keys.ts';
import type { RedisClient } from '../redis/client.ts';

export interface QueueLimits {
  /** Unfinished messages of all clients; 0 = no limit. */
  readonly messagesMax: number;
  /** Bytes of their content; 0 = no limit. */
  readonly bytesMax: number;
}

export interface Backpressure {
  /** Does the work if there is room for what it queues; otherwise says which limit is reached. Rejects when Redis is away. */
  admit<T>(client: Client, wanted: QueueSize, work: () => Promise<T>): Promise<T | QueueFull>;
  /** What waits, of all clients. Rejects when Redis is away. */
  waiting(): Promise<QueueSize>;
}

/** A number of messages, and of their bytes. */
export interface QueueSize {
  readonly messages: number;
  readonly bytes: number;
}

interface Admitted {
  readonly client: Client;
  readonly wanted: QueueSize;
}

/** A count is used for this long, with what this process has admitted since. Other APIs may admit as much meanwhile. */
const FRESH_MS = 500;
/** Of `maxmemory`: the rest is for the outcomes of the messages. */
const MEMORY_SHARE_MAX = 0.9;

interface Load {
  /** By the names of the fields: see keys.ts. */
  readonly counts: Map<string, number>;
  /** Used memory by `maxmemory`; 0 where there is no such limit. */
  readonly memoryShare: number;
}

export function openBackpressure(redis: RedisClient, keys: Keys, limits: QueueLimits): Backpressure {
  const underWay = new Set<Admitted>();
  let readAt = Number.NEGATIVE_INFINITY;
  let reading: Promise<Load> | undefined;
  const load = () => {
    if (reading && performance.now() - readAt < FRESH_MS) return reading;
    readAt = performance.now();
    // What is on its way to Redis may not be counted there yet.
    reading = readLoad(redis, keys, [...underWay]);
    reading.catch(() => {
      reading = undefined;
    });
    return reading;
  };
  return {
    admit: async (client, wanted, work) => {
      const known = await load();
      const full = classify(known, client, wanted, limits);
      if (full) return full;
      const admitted = { client, wanted };
      add(known, admitted);
      underWay.add(admitted);
      return work().finally(() => underWay.delete(admitted));
    },
    waiting: async () => {
      const { counts } = await readLoad(redis, keys, []);
      return { messages: counts.get('messages') ?? 0, bytes: counts.get('bytes') ?? 0 };
    },
  };
}

async function readLoad(redis: RedisClient, keys: Keys, underWay: readonly Admitted[]): Promise<Load> {
  const [counts, info] = await Promise.all([redis.hgetall(keys.load), redis.info('memory')]);
  const field = (name: string) => Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(info)?.[1] ?? 0);
  const max = field('maxmemory');
  const numbers = Object.entries(counts).map(([name, count]) => [name, Number(count)] as const);
  const load = { counts: new Map(numbers), memoryShare: max > 0 ? field('used_memory') / max : 0 };
  for (const admitted of underWay) add(load, admitted);
  return load;
}

function classify(
  { counts, memoryShare }: Load,
  { name, queuedMessagesMax = 0, queuedBytesMax = 0 }: Client,
  { messages: wanted }: QueueSize,
  { messagesMax, bytesMax }: QueueLimits,
): QueueFull | undefined {
  const count = (field: string) => counts.get(field) ?? 0;
  const tooMany = (waiting: number, max: number) =>
    max > 0 && waiting + wanted > max
      ? `at most ${max} messages may wait; ${waiting} wait, and ${wanted} more would be too many`
      : undefined;
  // A message that is larger than the whole limit must be accepted, too.
  const tooMuch = (waiting: number, max: number) =>
    max > 0 && waiting >= max ? `at most ${max} bytes may wait, and ${waiting} wait` : undefined;
  const ofClient =
    tooMany(count(`messages:${name}`), queuedMessagesMax) ?? tooMuch(count(`bytes:${name}`), queuedBytesMax);
  if (ofClient !== undefined) return { kind: 'full', of: 'client', detail: `Of this key ${ofClient}` };
  const ofAll = tooMany(count('messages'), messagesMax) ?? tooMuch(count('bytes'), bytesMax);
  if (ofAll !== undefined) return { kind: 'full', of: 'all', detail: `In all ${ofAll}` };
  if (memoryShare < MEMORY_SHARE_MAX) return undefined;
  return { kind: 'full', of: 'all', detail: `Redis has used ${Math.floor(memoryShare * 100)} % of its memory` };
}

function add({ counts }: Load, { client: { name }, wanted: { messages, bytes } }: Admitted): void {
  const increments = { messages, bytes, [`messages:${name}`]: messages, [`bytes:${name}`]: bytes };
  for (const [field, by] of Object.entries(increments)) counts.set(field, (counts.get(field) ?? 0) + by);
}
