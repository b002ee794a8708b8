/** One function for each event of a message: the same words in the log and in the metrics. */
import type { Transition } from '../core/deliver/transition.ts';
import type { Attempt, Message } from '../core/message/message.ts';
import { formatReply } from '../core/replies/reply.ts';
import type { Logger } from './log.ts';
import type { Metrics } from './metrics.ts';
import type { MailboxChange } from '../queue/limits/throttle.ts';

export interface MessageEvents {
  readonly accepted: (message: Message) => void;
  readonly canceled: (message: Message) => void;
  readonly completed: (message: Message, transition: Transition) => void;
  readonly interrupted: (message: Message, attempt: Attempt) => void;
  readonly unreadable: (id: string, reason: string) => void;
  /** The message's job was lost or corrupt, and was written again. */
  readonly jobRescued: (message: Message) => void;
  /** A mailbox was held, throttled, or is open again. */
  readonly mailbox: (mailbox: string, change: MailboxChange) => void;
}

/** Addresses and subjects are personal data: the log names a message only by its ids. */
export function messageEvents(log: Logger, metrics: Metrics): MessageEvents {
  return {
    accepted: (message) => {
      metrics.accepted(message);
      log.info({ ...ids(message), client: message.client, sizeBytes: message.sizeBytes }, 'accepted');
    },
    canceled: (message) => {
      metrics.canceled(message);
      log.info({ ...ids(message), client: message.client }, 'canceled');
    },
    completed: (message, transition) => {
      metrics.completed(message, transition);
      const { attempt, status, nextAttemptAt } = transition;
      const fields = { ...ids(message), ...attemptFields(attempt), ...(nextAttemptAt && { nextAttemptAt }) };
      if (status === 'sent') log.info(fields, status);
      else if (status === 'deferred' || status === 'queued') log.warn(fields, status);
      else log.error(fields, status);
    },
    interrupted: (message, attempt) => {
      metrics.completed(message, { attempt, status: 'queued' });
      log.warn({ ...ids(message), ...attemptFields(attempt) }, 'interrupted');
    },
    unreadable: (id, reason) => log.error({ id, reason }, 'unreadable'),
    jobRescued: (message) => log.error(ids(message), 'job was lost or corrupt: written again'),
    mailbox: (mailbox, change) => {
      if (change.kind === 'opened') log.info({ mailbox }, 'mailbox open again');
      if (change.kind !== 'blocked' || !change.isNew) return;
      const { state, reason } = change.backoff;
      const { rule, reply, explanation, fix } = reason;
      const fields = {
        mailbox,
        rule,
        ...(reply && { reply: formatReply(reply) }),
        explanation,
        fix,
        until: change.until,
      };
      log[state === 'held' ? 'error' : 'warn'](fields, `mailbox ${state}`);
    },
  };
}

function ids({ id, mailbox, messageId }: Message): object {
  return { id, mailbox, messageId };
}

function attemptFields({ outcome, durationMs, reply, explanation, fix }: Attempt): object {
  return { outcome, durationMs, ...(reply && { reply: formatReply(reply) }), explanation, ...(fix && { fix }) };
}
