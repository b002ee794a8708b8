/** The mailbox desk of an API: what the governor and the queues know of each mailbox. */
import { examine, type TakeSeat } from './checkup.ts';
import type { Config } from './config/config.ts';
import type { MailboxDesk, MailboxReport } from './core/mailbox-desk.ts';
import type { Mailbox } from './core/mailbox.ts';
import type { Governor } from './queue/governor.ts';
import type { Producer } from './queue/producer.ts';

export interface DeskDependencies {
  readonly governor: Governor;
  readonly producer: Pick<Producer, 'depth' | 'wake'>;
  readonly config: () => Pick<Config, 'mailboxes' | 'pools'>;
  /** For the doctor's connection, which is one of those that the mailbox may have. */
  readonly takeSeat: (mailbox: Mailbox) => ReturnType<TakeSeat>;
}

export function openDesk({ governor, producer, config, takeSeat }: DeskDependencies): MailboxDesk {
  const report = async (mailbox: Mailbox): Promise<MailboxReport> => {
    const [standing, queue] = await Promise.all([governor.standing(mailbox.id), producer.depth(mailbox.id)]);
    return { mailbox, standing, queue, pools: poolsOf(mailbox.id).map(({ name }) => name) };
  };
  const poolsOf = (id: string) => config().pools.filter(({ mailboxes }) => mailboxes.includes(id));
  return {
    list: () => Promise.all(config().mailboxes.map(({ mailbox }) => report(mailbox))),
    find: async (id) => {
      const found = config().mailboxes.find(({ mailbox }) => mailbox.id === id);
      return found && report(found.mailbox);
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
