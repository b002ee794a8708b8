/** Reads what blocks a mailbox and what it has used of its limits, for people and for what depends on it. */
import type { MailboxLimits } from '../../core/mailbox/mailbox.ts';
import type { Reason, Blocked, MailboxStatus, Usage } from '../../core/mailbox/status.ts';
import type { Keys } from '../redis/keys.ts';
import type { LuaCalls } from '../redis/lua.ts';
import type { STATUS_SCRIPTS } from './scripts.ts';

/** How to read the status of mailboxes, and how much each may send now. */
export interface StatusReader {
  mailboxStatus(mailbox: string): Promise<MailboxStatus>;
  room(mailboxes: readonly LimitedMailbox[]): Promise<readonly Room[]>;
  /** Whether it is paused, or held or throttled for some more time. */
  isBlocked(mailbox: string): Promise<boolean>;
}

export interface LimitedMailbox {
  readonly id: string;
  readonly limits: MailboxLimits;
}

export interface Room {
  readonly messages: number;
  /** Neither held nor paused. */
  readonly works: boolean;
}

export function makeStatusReader(scripts: LuaCalls<typeof STATUS_SCRIPTS>, keys: Keys): StatusReader {
  const readRooms = (ids: readonly string[]) =>
    scripts.room({
      keys: {
        mailboxes: ids.map((id) => ({
          status: keys.mailboxStatus(id),
          sent: keys.sent(id),
          underWay: keys.underWay(id),
        })),
      },
      args: {},
    });
  return {
    mailboxStatus: (mailbox) => readMailboxStatus(scripts, keys, mailbox),
    room: async (mailboxes) => {
      const rooms = await readRooms(mailboxes.map(({ id }) => id));
      return rooms.map(([used, works], i) => ({
        messages: (mailboxes[i]?.limits.messagesPerMinute || Number.MAX_SAFE_INTEGER) - used,
        works: works === 1,
      }));
    },
    isBlocked: async (mailbox) => (await readRooms([mailbox]))[0]?.[2] === 1,
  };
}

async function readMailboxStatus(
  scripts: LuaCalls<typeof STATUS_SCRIPTS>,
  keys: Keys,
  mailbox: string,
): Promise<MailboxStatus> {
  const [connections, reservedConnections, messagesPerMinute, recipientsPerDay, underWay, fields] =
    await scripts.status({
      keys: {
        mailboxStatus: keys.mailboxStatus(mailbox),
        sent: keys.sent(mailbox),
        underWay: keys.underWay(mailbox),
        recipientCounts: keys.recipients(mailbox),
        leases: keys.leases(mailbox),
        openConnections: keys.openConnections(mailbox),
        leaseClock: keys.leaseClock,
      },
      args: {},
    });
  const usage: Usage = { connections, reservedConnections, messagesPerMinute, recipientsPerDay, underWay };
  return { ...backoffOf(pairsOf(fields)), usage };
}

function pairsOf(flat: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(flat.flatMap((name, i) => (i % 2 === 0 ? [[name, flat[i + 1] ?? '']] : [])));
}

/** A backoff lasts until a message has shown that the mailbox works again, however long ago its time was over. */
function backoffOf(fields: Readonly<Record<string, string>>): Blocked {
  const { state, sinceMs, untilMs, reason, pausedMs } = fields;
  if (pausedMs) return { state: 'paused', since: new Date(Number(pausedMs)) };
  if (state !== 'held' && state !== 'throttled') return { state: 'open' };
  return {
    state,
    since: new Date(Number(sinceMs)),
    until: new Date(Number(untilMs)),
    ...(reason && { reason: JSON.parse(reason) as Reason }),
  };
}
