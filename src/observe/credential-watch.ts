/** Warns of credentials that end soon, at start and every day, so that none expires unnoticed on a weekend. */
import type { MailboxConfig } from '../config/mailbox-config.ts';
import { PASSWORDS_END } from '../core/mailbox/password-end.ts';
import { CREDENTIAL_WARNING_DAYS, credentialEnd, DAY_MS, daysUntil } from '../entra/credential-end.ts';
import type { Logger } from './log.ts';
import type { Metrics } from './metrics.ts';

export interface CredentialWatch {
  /** Checks another configuration's credentials from now on, and at once. */
  watch(mailboxes: readonly MailboxConfig[]): void;
  close(): void;
}

export function openCredentialWatch(first: readonly MailboxConfig[], log: Logger, metrics: Metrics): CredentialWatch {
  let mailboxes = first;
  const look = () => {
    for (const mailbox of mailboxes) void warn(mailbox, log, metrics);
  };
  look();
  const timer = setInterval(look, DAY_MS);
  return {
    watch: (others) => {
      mailboxes = others;
      look();
    },
    close: () => clearInterval(timer),
  };
}

async function warn({ mailbox, login, secretExpires }: MailboxConfig, log: Logger, metrics: Metrics): Promise<void> {
  if (login.kind === 'password') {
    log.warn(
      { mailbox: mailbox.id, ...PASSWORDS_END },
      `${mailbox.address} logs in by password; Microsoft ends password logins`,
    );
    return;
  }
  const { credential } = login.application;
  const end = await credentialEnd(credential, secretExpires);
  if (end) metrics.credentialEnd(mailbox.id, end);
  const days = end && daysUntil(end, new Date());
  if (end === undefined || days === undefined || days > CREDENTIAL_WARNING_DAYS) return;
  const when = days < 0 ? `ended on ${end.toISOString().slice(0, 10)}` : `ends in ${days} days`;
  log.warn(
    { mailbox: mailbox.id, ends: end },
    `the ${credential.kind} of ${mailbox.address} ${when}: create a new one`,
  );
}
