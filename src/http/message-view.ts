/** A message as the API shows it: never its content. */
import type { FoundMessage } from '../core/admin/message-admin.ts';
import { type Attempt, publicStatus } from '../core/message/message.ts';
import type { MailboxStatus } from '../core/mailbox/status.ts';
import type { MessageAnswer } from './schemas/message.ts';

export function messageView({ message, state, mailboxStatus, estimatedAt }: FoundMessage): MessageAnswer {
  const { id, mailbox, from, to, cc, bcc, subject, messageId, metadata, acceptedAt, sendAt, expiresAt } = message;
  const status = publicStatus(state, message, mailboxStatus, new Date());
  const held = status === 'held' && mailboxStatus?.state === 'held' ? heldBy(mailboxStatus) : undefined;
  return {
    id,
    status,
    mailbox,
    from,
    to: [...to],
    cc: [...cc],
    bcc: [...bcc],
    subject,
    messageId,
    metadata,
    acceptedAt: acceptedAt.toISOString(),
    ...(sendAt && { sendAt: sendAt.toISOString() }),
    expiresAt: expiresAt.toISOString(),
    ...(held && { held }),
    ...(estimatedAt && { estimatedAt: estimatedAt.toISOString() }),
    ...(state.nextAttemptAt && { nextAttemptAt: state.nextAttemptAt.toISOString() }),
    ...(state.finishedAt && { finishedAt: state.finishedAt.toISOString() }),
    attempts: state.attempts.map(attemptView),
    recipients: [...state.recipients],
  };
}

/** Why the mailbox of a message that could otherwise be sent is held. */
function heldBy({ since, until, reason }: MailboxStatus): MessageAnswer['held'] {
  return {
    ...(since && { since: since.toISOString() }),
    ...(until && { until: until.toISOString() }),
    explanation: reason?.explanation ?? 'Its mailbox is held.',
    ...(reason?.fix && { fix: reason.fix }),
    ...(reason?.reply && { reply: reason.reply }),
  };
}

function attemptView({ at, ...rest }: Attempt): MessageAnswer['attempts'][number] {
  return { at: at.toISOString(), ...rest };
}
