/** A worker's ways to Exchange, one through each mailbox, and which of them a message takes. */
import type { RunAttempt, UnknownPolicy } from '../core/attempt.ts';
import type { Gate } from './gate.ts';
import type { Admission, Change, GovernedMailbox, Governor } from './governor.ts';

export interface Line {
  readonly mailbox: GovernedMailbox & { readonly address: string };
  /** As many places as the worker may have connections to this mailbox. */
  readonly gate: Gate;
  readonly runAttempt: RunAttempt;
  /** What follows when a worker died and nobody knows whether Exchange took its message. */
  readonly unknown: UnknownPolicy;
}

export type Turn =
  /** The line's gate has been entered: whoever gets the turn leaves it in the end. */
  | { readonly kind: 'go'; readonly line: Line }
  | { readonly kind: 'wait'; readonly waitMs: number; readonly changes: readonly MailboxChange[] };

export interface MailboxChange {
  readonly mailbox: string;
  readonly change: Change;
}

/** How soon to ask again when this worker has no connection for the message. */
const NO_SEAT_WAIT_MS = 500;

/** Finds a mailbox that may send this message now: the first of the lines that has a connection and is admitted. */
export async function takeTurn(
  lines: readonly Line[],
  governor: Pick<Governor, 'admit'>,
  message: string,
  recipients: number,
): Promise<Turn> {
  const admit = (line: Line) => enter(line, () => governor.admit(line.mailbox, message, recipients));
  const free = lines.filter(({ gate }) => gate.taken < gate.limit);
  const busy = lines.find(({ gate }) => gate.taken >= gate.limit && gate.limit > 0);
  const changes: MailboxChange[] = [];
  let waitMs = Number.POSITIVE_INFINITY;
  // Whose connections are all busy is waited for only when no other takes the message.
  for (const line of busy ? [...free, busy] : free) {
    const admission = await admit(line);
    if (!admission) continue;
    if (admission.kind === 'admitted') return { kind: 'go', line };
    waitMs = Math.min(waitMs, admission.waitMs);
    if (admission.change) changes.push({ mailbox: line.mailbox.id, change: admission.change });
  }
  return { kind: 'wait', waitMs: Number.isFinite(waitMs) ? waitMs : NO_SEAT_WAIT_MS, changes };
}

/** Waits for a place and asks; undefined when the worker has no connection to this mailbox any more. */
async function enter({ gate }: Line, ask: () => Promise<Admission>): Promise<Admission | undefined> {
  if (!(await gate.enter())) return undefined;
  let admission: Admission | undefined;
  try {
    admission = await ask();
    return admission;
  } finally {
    if (admission?.kind !== 'admitted') gate.leave();
  }
}

/** Those with the most room in the limit of messages first. A message with a key keeps to one mailbox while that works. */
export async function orderLines(
  lines: readonly Line[],
  governor: Pick<Governor, 'room'>,
  stickyKey: number | undefined,
): Promise<readonly Line[]> {
  if (lines.length === 1) return lines;
  const room = await governor.room(lines.map(({ mailbox }) => mailbox));
  const order = [...lines.keys()].sort((a, b) => (room[b]?.messages ?? 0) - (room[a]?.messages ?? 0));
  if (stickyKey === undefined) return order.flatMap((i) => lines[i] ?? []);
  const works = [...lines.keys()].filter((i) => room[i]?.works);
  // Rendezvous over all: when a member fails only its own keys move, and they come back to it.
  const chosen = [...lines.keys()].map((i) => (stickyKey + i) % lines.length).find((i) => works.includes(i));
  const line = chosen === undefined ? undefined : lines[chosen];
  return line ? [line] : lines;
}
