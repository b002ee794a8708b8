/** Which mailboxes a message may go through, by the configuration of now, and how they stand for it. */
import type { Config } from '../config/config.ts';
import type { Directory, Mailbox } from '../core/mailbox/mailbox.ts';
import { type Message, type MessageState, queueOf } from '../core/message/message.ts';
import { notConfigured, type Blocked, statusOfPool } from '../core/mailbox/status.ts';

export function directoryOf({ mailboxes, pools }: Pick<Config, 'mailboxes' | 'pools'>): Directory {
  const all = mailboxes.map(({ mailbox }) => mailbox);
  const member = (id: string): Mailbox[] => all.filter((mailbox) => mailbox.id === id);
  return {
    mailboxes: all,
    pools: pools.flatMap(({ name, mailboxes: ids }) => {
      const [first, ...others] = ids.flatMap(member);
      return first ? [{ name, members: [first, ...others] as const }] : [];
    }),
  };
}

type Which = Pick<Message, 'pool' | 'mailbox'>;

/** Empty when the configuration has none of them any more. */
export function throughOf(
  { pool, mailbox }: Which,
  { attempts }: Pick<MessageState, 'attempts'>,
  { mailboxes, pools }: Directory,
): readonly Mailbox[] {
  const candidates = pool === undefined ? mailboxes : (pools.find(({ name }) => name === pool)?.members ?? []);
  // Exchange may have taken it from this one: it goes through no other.
  const isPinned = attempts.some(({ outcome }) => outcome === 'unknown');
  return pool === undefined || isPinned ? candidates.filter(({ id }) => id === mailbox) : candidates;
}

/** What a message waits for: its mailbox, or those of its pool. */
export async function mailboxStatusFor(
  message: Which,
  through: readonly Mailbox[],
  mailboxStatusOf: (mailbox: string) => Promise<Blocked>,
): Promise<Blocked> {
  const [first, ...others] = await Promise.all(through.map(({ id }) => mailboxStatusOf(id)));
  return first ? statusOfPool([first, ...others]) : notConfigured(queueOf(message));
}
