/** A simulated mailbox: its settings, the sessions logged in as it, and how much of its limits is used. */
import { type ExchangeLimits, RECIPIENTS_WINDOW_MS } from './limits.ts';

export interface MailboxOptions {
  readonly address: string;
  /** Default: the sandbox's tenant. */
  readonly tenantId?: string;
  /** Other addresses it may send as. */
  readonly sendAs?: readonly string[];
  /** For AUTH LOGIN. Without it, every password is wrong. */
  readonly password?: string;
  /** `false`: the account has no mailbox. */
  readonly licensed?: boolean;
  /** As in Set-CASMailbox. If undefined, the tenant's setting applies. */
  readonly smtpAuthDisabled?: boolean | undefined;
  /** Client ids of the apps with permission on the mailbox. Default: every app of the tenant. */
  readonly apps?: readonly string[] | undefined;
  /** The login succeeds, but each submission fails with "mailbox logon failure". */
  readonly logonFailure?: boolean;
  /** Its Sent Items have used up the mailbox's quota. */
  readonly full?: boolean;
  /** Limits that differ from those of the other mailboxes. */
  readonly limits?: Partial<ExchangeLimits>;
}

export type MailboxPatch = Partial<Omit<MailboxOptions, 'address'>>;

export class Mailbox {
  options: MailboxOptions;
  /** Sessions logged in as this mailbox, in the order of their logins. */
  readonly sessions = new Set<object>();
  sessionsPeak = 0;
  /** When each message of the last window was accepted, or will be (mode `delay`). */
  #slots: number[] = [];
  #recipients: { readonly at: number; readonly count: number }[] = [];

  constructor(options: MailboxOptions) {
    this.options = options;
  }

  get address(): string {
    return this.options.address;
  }

  connect(session: object): void {
    this.sessions.add(session);
    this.sessionsPeak = Math.max(this.sessionsPeak, this.sessions.size);
  }

  disconnect(session: object): void {
    this.sessions.delete(session);
  }

  /** Whether the session is over the limit. The sessions that logged in first may continue. */
  isExcess(session: object, connections: number): boolean {
    return connections > 0 && [...this.sessions].indexOf(session) >= connections;
  }

  maySendAs(address: string): boolean {
    const key = address.toLowerCase();
    return [this.address, ...(this.options.sendAs ?? [])].some((own) => own.toLowerCase() === key);
  }

  /** How long a message must wait until the rate allows it. 0 if it is allowed now. */
  rateWaitMs(now: number, { messagesPerMinute, messageRateWindowMs }: ExchangeLimits): number {
    if (messagesPerMinute === 0) return 0;
    this.#slots = this.#slots.filter((slot) => slot > now - messageRateWindowMs);
    const oldest = this.#slots.at(-messagesPerMinute);
    return oldest === undefined ? 0 : oldest + messageRateWindowMs - now;
  }

  recipientsUsed(now: number): number {
    this.#recipients = this.#recipients.filter(({ at }) => at > now - RECIPIENTS_WINDOW_MS);
    return this.#recipients.reduce((sum, { count }) => sum + count, 0);
  }

  /** Counts an accepted message against the limits. */
  use(now: number, slot: number, recipients: number): void {
    this.#slots.push(slot);
    this.#recipients.push({ at: now, count: recipients });
  }

  forgetUse(): void {
    this.#slots = [];
    this.#recipients = [];
    this.sessionsPeak = this.sessions.size;
  }
}
