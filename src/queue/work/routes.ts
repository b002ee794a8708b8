/** A worker's ways to Exchange, one through each mailbox, and which of them a message takes. */
import type { RunAttempt } from '../../core/deliver/attempt.ts';
import type { UnknownPolicy } from '../../core/deliver/conclusion.ts';
import type { Semaphore, Place } from './semaphore.ts';
import type { Change, LimitedMailbox, Throttle, Wait } from '../limits/throttle.ts';
import type { Beginning, Taken } from '../records/records.ts';

export interface Route {
  readonly mailbox: LimitedMailbox & { readonly address: string };
  /** As many places as the worker may have connections to this mailbox. */
  readonly semaphore: Semaphore;
  readonly runAttempt: RunAttempt;
  /** What follows when a worker died and nobody knows whether Exchange took its message. */
  readonly unknown: UnknownPolicy;
}

export type Admission =
  /** The message is taken up, and the line's semaphore has been entered: whoever gets the turn leaves it in the end. */
  | { readonly kind: 'go'; readonly line: Route; readonly place: Place; readonly taken: Taken }
  | {
      readonly kind: 'wait';
      readonly waitMs: number;
      /** The mailboxes that may not send now for another reason than their rate. */
      readonly blocked: readonly string[];
      readonly changes: readonly MailboxChange[];
    };

export interface MailboxChange {
  readonly mailbox: string;
  readonly change: Change;
}

/** How soon to ask again when this worker has no connection for the message. */
const NO_LEASE_WAIT_MS = 500;
/** And when all connections of a mailbox that might take it are busy. */
const BUSY_WAIT_MS = 100;

/** Begins with the mailbox that may send this message now: the first that has a connection and admits it. */
export async function admit(lines: readonly Route[], begin: (line: Route) => Promise<Beginning>): Promise<Admission> {
  const refusals: Refusal[] = [];
  for (const line of lines) {
    // A pool has other ways, and one whose connections are busy for minutes must not keep the message from them.
    if (lines.length > 1 && line.semaphore.taken >= line.semaphore.limit) continue;
    const entry = await enter(line, begin);
    if (entry?.beginning.kind === 'taken')
      return { kind: 'go', line, place: entry.place, taken: entry.beginning.taken };
    if (entry?.beginning.kind === 'wait') refusals.push({ ...entry.beginning, mailbox: line.mailbox.id });
  }
  const isBusy =
    lines.length > 1 && lines.some(({ semaphore }) => semaphore.limit > 0 && semaphore.taken >= semaphore.limit);
  if (isBusy) return waitAfter(refusals, BUSY_WAIT_MS);
  return waitAfter(refusals, refusals.length > 0 ? Number.POSITIVE_INFINITY : NO_LEASE_WAIT_MS);
}

type Refusal = Wait & { readonly mailbox: string };

function waitAfter(refusals: readonly Refusal[], waitMsMax: number): Admission {
  return {
    kind: 'wait',
    waitMs: Math.min(waitMsMax, ...refusals.map(({ waitMs }) => waitMs)),
    blocked: refusals
      .filter(({ reason }) => reason !== 'rate' && reason !== 'recovering')
      .map(({ mailbox }) => mailbox),
    changes: refusals.flatMap(({ mailbox, change }) => (change ? [{ mailbox, change }] : [])),
  };
}

interface Entry {
  readonly place: Place;
  readonly beginning: Beginning;
}

/** Waits for a place and begins; undefined when the worker has no connection to this mailbox any more. */
async function enter(line: Route, begin: (line: Route) => Promise<Beginning>): Promise<Entry | undefined> {
  const { semaphore } = line;
  const place = await semaphore.enter();
  if (!place) return undefined;
  let beginning: Beginning | undefined;
  try {
    beginning = await begin(line);
    return { place, beginning };
  } finally {
    if (beginning?.kind !== 'taken') semaphore.leave();
  }
}

/** Those with the most room in the limit of messages first. A message with a key keeps to one mailbox while that works. */
export async function rankRoutes(
  lines: readonly Route[],
  throttle: Pick<Throttle, 'room'>,
  stickyKey: number | undefined,
): Promise<readonly Route[]> {
  if (lines.length === 1) return lines;
  const room = await throttle.room(lines.map(({ mailbox }) => mailbox));
  const order = [...lines.keys()].sort((a, b) => (room[b]?.messages ?? 0) - (room[a]?.messages ?? 0));
  if (stickyKey === undefined) return order.flatMap((i) => lines[i] ?? []);
  const works = [...lines.keys()].filter((i) => room[i]?.works);
  // Rendezvous over all: when a member fails only its own keys move, and they come back to it.
  const chosen = [...lines.keys()].map((i) => (stickyKey + i) % lines.length).find((i) => works.includes(i));
  const line = chosen === undefined ? undefined : lines[chosen];
  return line ? [line] : lines;
}
