/** The mailbox desk of an API: what the governor and the queues know of each mailbox. */
import { examine, type TakeSeat } from '../doctor/doctor.ts';
import type { Config, PoolConfig } from '../config/config.ts';
import type { MailboxDesk, MailboxReport, PoolReport } from '../core/admin/mailbox-admin.ts';
import { EXCHANGE_LIMITS, type Mailbox } from '../core/mailbox/mailbox.ts';
import { notConfigured, standingOfPool } from '../core/mailbox/status.ts';
import type { Governor } from '../queue/limits/throttle.ts';
import type { LeftBehind } from '../queue/upkeep/orphaned-queues.ts';
import type { Producer } from '../queue/accept/producer.ts';

export interface DeskDependencies {
  readonly governor: Governor;
  readonly producer: Pick<Producer, 'depth' | 'wake'>;
  readonly config: () => Pick<Config, 'mailboxes' | 'pools'>;
  readonly leftBehind: () => Promise<readonly LeftBehind[]>;
  /** For the doctor's connection, which is one of those that the mailbox may have. */
  readonly takeSeat: (mailbox: Mailbox) => ReturnType<TakeSeat>;
}

export function openDesk({ governor, producer, config, leftBehind, takeSeat }: DeskDependencies): MailboxDesk {
  const report = async (mailbox: Mailbox): Promise<MailboxReport> => {
    const [standing, queue] = await Promise.all([governor.standing(mailbox.id), producer.depth(mailbox.id)]);
    return { mailbox, standing, queue, pools: poolsOf(mailbox.id).map(({ name }) => name) };
  };
  const reportPool = async ({ name, mailboxes }: PoolConfig): Promise<PoolReport> => {
    const [first, ...others] = mailboxes;
    const [queue, one, ...rest] = await Promise.all([
      producer.depth(name),
      governor.standing(first),
      ...others.map((id) => governor.standing(id)),
    ]);
    return { name, mailboxes, standing: standingOfPool([one, ...rest]), queue };
  };
  const poolsOf = (id: string) => config().pools.filter(({ mailboxes }) => mailboxes.includes(id));
  return {
    list: async () => [
      ...(await Promise.all(config().mailboxes.map(({ mailbox }) => report(mailbox)))),
      ...(await leftBehind()).map(reportLeftBehind),
    ],
    pools: () => Promise.all(config().pools.map(reportPool)),
    find: async (id) => {
      const found = config().mailboxes.find(({ mailbox }) => mailbox.id === id);
      if (found) return report(found.mailbox);
      const left = (await leftBehind()).find(({ name }) => name === id);
      return left && reportLeftBehind(left);
    },
    verify: async (id) => {
      const found = config().mailboxes.find(({ mailbox }) => mailbox.id === id);
      return (
        found &&
        examine(
          found,
          () => takeSeat(found.mailbox),
          () => new Date(),
        )
      );
    },
    pause: (id) => governor.pause(id),
    resume: async (id) => {
      await governor.resume(id);
      await Promise.all([id, ...poolsOf(id).map(({ name }) => name)].map((queue) => producer.wake(queue)));
    },
  };
}

/** What was taken out of the configuration and has messages: shown among the others, or nobody would see that they wait. */
function reportLeftBehind({ name, queue }: LeftBehind): MailboxReport {
  const usage = { connections: 0, messagesPerMinute: 0, recipientsPerDay: 0, underWay: 0 };
  return {
    mailbox: { id: name, address: name, sendAs: [], limits: EXCHANGE_LIMITS },
    standing: { ...notConfigured(name), usage },
    queue,
    pools: [],
  };
}
