/**
 * How full the queues are, so that the API refuses mail before Redis does: a full Redis could not even note what
 * becomes of the mails that it has.
 */
import type { Client } from '../core/client.ts';
import type { Full } from '../core/submit.ts';
import type { Keys } from './keys.ts';
import type { RedisClient } from './redis.ts';

export interface LoadLimits {
  /** Unfinished messages of all clients; 0 = no limit. */
  readonly messagesMax: number;
  /** Bytes of their content; 0 = no limit. */
  readonly bytesMax: number;
}

export interface LoadGuard {
  /** Why no more may be queued for this client now; undefined when there is room. Rejects when Redis is away. */
  findFull(client: Client): Promise<Full | undefined>;
}

/** What was counted is true for so long: limits may be overstepped by what is accepted within it. */
const FRESH_MS = 500;
/** Of `maxmemory`: the rest is for what becomes of the messages. */
const MEMORY_SHARE_MAX = 0.9;

interface Load {
  readonly counts: Readonly<Record<string, string>>;
  /** Used memory by `maxmemory`; 0 where there is no such limit. */
  readonly memoryShare: number;
}

export function openLoadGuard(redis: RedisClient, keys: Keys, limits: LoadLimits): LoadGuard {
  let readAt = Number.NEGATIVE_INFINITY;
  let reading: Promise<Load> | undefined;
  const load = () => {
    if (reading && Date.now() - readAt < FRESH_MS) return reading;
    readAt = Date.now();
    reading = readLoad(redis, keys);
    reading.catch(() => {
      reading = undefined;
    });
    return reading;
  };
  return { findFull: async (client) => judge(await load(), client, limits) };
}

async function readLoad(redis: RedisClient, keys: Keys): Promise<Load> {
  const [counts, info] = await Promise.all([redis.hgetall(keys.load), redis.info('memory')]);
  const field = (name: string) => Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(info)?.[1] ?? 0);
  const max = field('maxmemory');
  return { counts, memoryShare: max > 0 ? field('used_memory') / max : 0 };
}

function judge({ counts, memoryShare }: Load, client: Client, { messagesMax, bytesMax }: LoadLimits): Full | undefined {
  const count = (name: string) => Number(counts[name] ?? 0);
  const { name, queuedMessagesMax = 0, queuedBytesMax = 0 } = client;
  const reached = (used: number, max: number) => max > 0 && used >= max;
  if (reached(count(`messages:${name}`), queuedMessagesMax))
    return full('client', `${queuedMessagesMax} messages of this key wait`);
  if (reached(count(`bytes:${name}`), queuedBytesMax))
    return full('client', `${queuedBytesMax} bytes of this key wait`);
  if (reached(count('messages'), messagesMax)) return full('all', `${messagesMax} messages wait`);
  if (reached(count('bytes'), bytesMax)) return full('all', `${bytesMax} bytes wait`);
  if (memoryShare >= MEMORY_SHARE_MAX)
    return full('all', `Redis has used ${Math.floor(memoryShare * 100)} % of its memory`);
  return undefined;
}

function full(of: Full['of'], detail: string): Full {
  return { kind: 'full', of, detail };
}
