/** The routes from a queue to Exchange, one through each mailbox, and in which order a message tries them. */
import { createHash } from 'node:crypto';
import type { RunAttempt } from '../../core/deliver/attempt.ts';
import type { UnknownPolicy } from '../../core/deliver/transition.ts';
import type { LimitedMailbox, StatusReader } from '../limits/status.ts';
import type { Semaphore } from '../../lib/async.ts';

export interface Route {
  readonly mailbox: LimitedMailbox & { readonly address: string };
  /** As many slots as the worker may have connections to this mailbox. */
  readonly semaphore: Semaphore;
  readonly runAttempt: RunAttempt;
  /** What follows when a worker died and Exchange may have accepted its message. */
  readonly unknown: UnknownPolicy;
}

/** Most room in the limit of messages first. A message with a sticky key keeps to one mailbox while that one works. */
export async function rankRoutes(
  routes: readonly Route[],
  throttle: Pick<StatusReader, 'room'>,
  stickyKey: number | undefined,
): Promise<readonly Route[]> {
  if (routes.length === 1) return routes;
  const room = await throttle.room(routes.map(({ mailbox }) => mailbox));
  const order = [...routes.keys()].sort((a, b) => (room[b]?.messages ?? 0) - (room[a]?.messages ?? 0));
  if (stickyKey === undefined) return order.flatMap((i) => routes[i] ?? []);
  const working = routes.filter((_, i) => room[i]?.works);
  return working.length > 0 ? [highestWeight(stickyKey, working)] : routes;
}

/**
 * Rendezvous hashing: a mailbox that joins the pool takes an equal share from each other one, and one that fails hands
 * over its own keys only, which come back to it.
 */
function highestWeight(stickyKey: number, routes: readonly Route[]): Route {
  return routes.reduce((best, route) => (weightOf(stickyKey, route) > weightOf(stickyKey, best) ? route : best));
}

function weightOf(stickyKey: number, { mailbox: { id } }: Route): number {
  return createHash('sha256').update(`${stickyKey} ${id}`).digest().readUIntBE(0, 6);
}
