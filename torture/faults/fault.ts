/** A fault breaks something, waits, and repairs it. */
import { setTimeout as delay } from 'node:timers/promises';
import type { ExchangeRule } from '../../src/sandbox/exchange-script.ts';
import type { Random } from '../random.ts';
import type { World } from '../world.ts';

export interface Fault {
  readonly name: string;
  /** The shortest and the longest time that it lasts. */
  readonly ms: readonly [number, number];
  /** Not in a quick run: it lasts long, or a mailbox needs long to recover from it. */
  readonly isLong?: true;
  /** Resolves when everything is repaired. */
  readonly inject: (world: World, random: Random, forMs: number) => Promise<unknown>;
}

/** Exchange misbehaves as the rule says, up to `times`, for this long. */
export function exchangeFault(name: string, ms: Fault['ms'], rule: (random: Random) => ExchangeRule): Fault {
  return {
    name,
    ms,
    inject: async (world, random, forMs) => {
      const remove = world.script(rule(random));
      await delay(forMs);
      remove();
    },
  };
}
