/** Which fault happens when. It depends only on the seed: the same seed injects the same faults at the same times. */
import { ENTRA_FAULTS } from './faults/entra.ts';
import { EXCHANGE_FAULTS } from './faults/exchange.ts';
import type { Fault } from './faults/fault.ts';
import { PROCESS_FAULTS } from './faults/processes.ts';
import { REDIS_FAULTS } from './faults/redis.ts';
import type { Random } from './random.ts';

export interface Planned {
  readonly fault: Fault;
  /** After the start. */
  readonly atMs: number;
  readonly forMs: number;
  readonly random: Random;
}

/** About one fault per `everyMs`. All kinds happen once, our own twice, before any is repeated. */
export function makeSchedule(random: Random, loadMs: number, everyMs: number, quick: boolean): Planned[] {
  const own = [...PROCESS_FAULTS, ...REDIS_FAULTS];
  const again = own.filter(({ isLong }) => !isLong);
  const deck = [...own, ...again, ...EXCHANGE_FAULTS, ...ENTRA_FAULTS].filter(({ isLong }) => !quick || !isLong);
  const planned: Planned[] = [];
  let cards: Fault[] = [];
  for (let atMs = everyMs; atMs < loadMs; atMs += everyMs * random.between(0.5, 1.5)) {
    if (cards.length === 0) cards = random.shuffle(deck);
    const fault = cards.pop() as Fault;
    const forMs = Math.round(random.between(...fault.ms));
    planned.push({ fault, atMs: Math.round(atMs), forMs, random: random.fork(planned.length) });
  }
  return planned;
}
