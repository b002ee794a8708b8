/** The routes from a queue to Exchange, one through each mailbox, and in which order a message tries them. */
import type { RunAttempt } from '../../core/deliver/attempt.ts';
import type { UnknownPolicy } from '../../core/deliver/transition.ts';
import type { LimitedMailbox, Throttle } from '../limits/throttle.ts';
import type { Semaphore } from './semaphore.ts';

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
  throttle: Pick<Throttle, 'room'>,
  stickyKey: number | undefined,
): Promise<readonly Route[]> {
  if (routes.length === 1) return routes;
  const room = await throttle.room(routes.map(({ mailbox }) => mailbox));
  const order = [...routes.keys()].sort((a, b) => (room[b]?.messages ?? 0) - (room[a]?.messages ?? 0));
  if (stickyKey === undefined) return order.flatMap((i) => routes[i] ?? []);
  const works = [...routes.keys()].filter((i) => room[i]?.works);
  // Rendezvous over all: when a member fails only its own keys move, and they come back to it.
  const chosen = [...routes.keys()].map((i) => (stickyKey + i) % routes.length).find((i) => works.includes(i));
  const route = chosen === undefined ? undefined : routes[chosen];
  return route ? [route] : routes;
}
