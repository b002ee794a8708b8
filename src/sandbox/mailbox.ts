/** A simulated mailbox: what it is allowed, who is connected as it, and how much of its limits it has used. */
import { type ExchangeLimits, RECIPIENTS_WINDOW_MS } from './limits.ts';

export interface MailboxOptions {
  readonly address: string;
  /** Default: the sandbox's tenant. */
  readonly tenantId?: string;
  /** Other addresses it may send as. */
  readonly sendAs?: readonly string[];
  /** For AUTH LOGIN; without it no password is right. */
  readonly password?: string;
  /** `false`: there is an account, but no mailbox behind it. */
  readonly licensed?: boolean;
  /** As in Set-CASMailbox; undefined inherits the tenant's setting. */
  readonly smtpAuthDisabled?: boolean | undefined;
  /** Client ids of the apps with permission on the mailbox; default: every app of the tenant. */
  readonly apps?: readonly string[] | undefined;
  /** Logging in works, but each submission ends with "mailbox logon failure". */
  readonly logonFailure?: boolean;
  /** The mailbox's own quota is used up, by its Sent Items. */
  readonly full?: boolean;
  /** Where this mailbox's limits differ from the others'. */
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

  /** Whether the session is beyond the limit: those that logged in first go on. */
  isExcess(session: object, connections: number): boolean {
    return connections > 0 && [...this.sessions].indexOf(session) >= connections;
  }

  maySendAs(address: string): boolean {
    const key = address.toLowerCase();
    return [this.address, ...(this.options.sendAs ?? [])].some((own) => own.toLowerCase() === key);
  }

  /** How long a message must wait for its place among those of the last minute; 0 when there is room now. */
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
