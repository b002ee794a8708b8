/** Removes messages whose retention is over. All workers look for them. */
import { openPeriodic, type Periodic } from '../../lib/async.ts';
import type { RedisClient } from '../redis/client.ts';
import type { Keys } from '../redis/keys.ts';
import { defineLua } from '../redis/lua.ts';
import { PRUNE_SCRIPTS } from './scripts.ts';

export interface PrunerOptions {
  readonly redis: RedisClient;
  readonly keys: Keys;
  readonly now: () => Date;
  readonly onError: (error: Error) => void;
  readonly checkMs?: number;
}

const CHECK_MS = 5_000;
const MESSAGES_A_TIME = 100;

export function openPruner({ redis, keys, now, onError, checkMs = CHECK_MS }: PrunerOptions): Periodic {
  const { prune } = defineLua(redis, PRUNE_SCRIPTS);
  const pruneSome = () =>
    prune({
      keys: { finished: keys.finished },
      args: { prefix: keys.prefix, nowMs: now().getTime(), max: MESSAGES_A_TIME },
    });
  const pruneAll = async () => {
    while ((await pruneSome()) === MESSAGES_A_TIME);
  };
  return openPeriodic(checkMs, pruneAll, onError);
}
