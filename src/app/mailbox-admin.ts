/** Shows, pauses, resumes and verifies mailboxes, by what the throttle and the queues know: the mailbox admin of an API. */
import { diagnose, type TakeGuestLease } from '../doctor/doctor.ts';
import type { Config, PoolConfig } from '../config/config.ts';
import type { MailboxAdmin, MailboxReport, PoolReport } from '../core/admin/mailbox-admin.ts';
import { EXCHANGE_LIMITS, type Mailbox } from '../core/mailbox/mailbox.ts';
import { notConfigured, statusOfPool } from '../core/mailbox/status.ts';
import type { Throttle } from '../queue/limits/throttle.ts';
import type { OrphanedQueue } from '../queue/upkeep/orphaned-queues.ts';
import type { Producer } from '../queue/accept/producer.ts';

export interface MailboxAdminDependencies {
  readonly throttle: Throttle;
  readonly producer: Pick<Producer, 'depth' | 'wake'>;
  readonly config: () => Pick<Config, 'mailboxes' | 'pools'>;
  readonly orphanedQueues: () => Promise<readonly OrphanedQueue[]>;
  /** For the doctor's connection, which is one of those that the mailbox may have. */
  readonly takeGuestLease: (mailbox: Mailbox) => ReturnType<TakeGuestLease>;
}

export function openMailboxAdmin({
  throttle,
  producer,
  config,
  orphanedQueues,
  takeGuestLease,
}: MailboxAdminDependencies): MailboxAdmin {
  const find = (id: string) => config().mailboxes.find(({ mailbox }) => mailbox.id === id);
  const poolsOf = (id: string) => config().pools.filter(({ mailboxes }) => mailboxes.includes(id));
  const report = async (mailbox: Mailbox): Promise<MailboxReport> => {
    const [mailboxStatus, queue] = await Promise.all([throttle.mailboxStatus(mailbox.id), producer.depth(mailbox.id)]);
    return { mailbox, mailboxStatus, queue, pools: poolsOf(mailbox.id).map(({ name }) => name) };
  };
  return {
    list: async () => [
      ...(await Promise.all(config().mailboxes.map(({ mailbox }) => report(mailbox)))),
      ...(await orphanedQueues()).map(reportOrphanedQueue),
    ],
    pools: () => Promise.all(config().pools.map((pool) => reportPool(pool, throttle, producer))),
    find: async (id) => {
      const found = find(id);
      if (found) return report(found.mailbox);
      const left = (await orphanedQueues()).find(({ name }) => name === id);
      return left && reportOrphanedQueue(left);
    },
    verify: async (id) => {
      const found = find(id);
      if (!found) return undefined;
      const takeLease = () => takeGuestLease(found.mailbox);
      return diagnose(found, takeLease, () => new Date());
    },
    pause: (id) => throttle.pause(id),
    resume: async (id) => {
      await throttle.resume(id);
      await Promise.all([id, ...poolsOf(id).map(({ name }) => name)].map((queue) => producer.wake(queue)));
    },
  };
}

async function reportPool(
  { name, mailboxes }: PoolConfig,
  throttle: Pick<Throttle, 'mailboxStatus'>,
  producer: Pick<Producer, 'depth'>,
): Promise<PoolReport> {
  const [first, ...others] = mailboxes;
  const [queue, one, ...rest] = await Promise.all([
    producer.depth(name),
    throttle.mailboxStatus(first),
    ...others.map((id) => throttle.mailboxStatus(id)),
  ]);
  return { name, mailboxes, mailboxStatus: statusOfPool([one, ...rest]), queue };
}

/** A mailbox or pool that was removed from the configuration but has messages: without it, they would wait unseen. */
function reportOrphanedQueue({ name, queue }: OrphanedQueue): MailboxReport {
  const usage = { connections: 0, reservedConnections: 0, messagesPerMinute: 0, recipientsPerDay: 0, underWay: 0 };
  return {
    mailbox: { id: name, address: name, sendAs: [], limits: EXCHANGE_LIMITS },
    mailboxStatus: { ...notConfigured(name), usage },
    queue,
    pools: [],
  };
}
