/** Which mailboxes may send a message by the current configuration, and their status. */
import type { Config } from '../config/config.ts';
import type { Directory, Mailbox } from '../core/mailbox/mailbox.ts';
import { type Message, type MessageState, queueOf } from '../core/message/message.ts';
import { notConfigured, type MailboxStatus, statusOfPool } from '../core/mailbox/status.ts';

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

/** Empty when none of them is configured any more. */
export function throughOf(
  { pool, mailbox }: Which,
  { attempts }: Pick<MessageState, 'attempts'>,
  { mailboxes, pools }: Directory,
): readonly Mailbox[] {
  const candidates = pool === undefined ? mailboxes : (pools.find(({ name }) => name === pool)?.members ?? []);
  // Exchange may have accepted it from this mailbox, so no other sends it.
  const isPinned = attempts.some(({ outcome }) => outcome === 'unknown');
  return pool === undefined || isPinned ? candidates.filter(({ id }) => id === mailbox) : candidates;
}

/** The status of what a message waits for: its mailbox, or those of its pool. */
export async function mailboxStatusFor(
  message: Which,
  through: readonly Mailbox[],
  mailboxStatusOf: (mailbox: string) => Promise<MailboxStatus>,
): Promise<MailboxStatus> {
  const [first, ...others] = await Promise.all(through.map(({ id }) => mailboxStatusOf(id)));
  return first ? statusOfPool([first, ...others]) : notConfigured(queueOf(message));
}
