/** How a test or a curious user makes the simulated Exchange misbehave, at each mailboxWorker of the dialogue. */
import type { Script } from './script.ts';

/** Where a rule acts; `auth` is when the credentials are known, `end` is after the message's final dot. */
export type Stage = 'connect' | 'ehlo' | 'starttls' | 'auth' | 'mail' | 'rcpt' | 'data' | 'end';

/** What a rule can see of a session. */
export interface SessionView {
  readonly id: string;
  readonly secure: boolean;
  /** The name that the client gave in EHLO. */
  readonly client: string | undefined;
  /** The mailbox that is logged in, or at `auth` wants to. */
  readonly mailbox: string | undefined;
  readonly from: string | undefined;
  readonly recipients: readonly string[];
  /** Messages taken in this session. */
  readonly taken: number;
}

/** Without `reply` and `drop` a rule only delays. */
export interface ExchangeRule {
  readonly stage: Stage;
  /** Sent in place of the true reply. A 4xx or 5xx leaves the command undone; 421 closes the connection as well. */
  readonly reply?: string;
  /** The connection is destroyed in place of a reply. */
  readonly drop?: true;
  /** `Infinity`: nothing comes until the client goes away. */
  readonly delayMs?: number;
  /** At `end`: the message is taken first, whatever the client is told then: the unknown outcome. */
  readonly accept?: true;
  /** Default 1; `Infinity`: until the rule is removed. */
  readonly times?: number;
  readonly mailbox?: string;
  /** At `rcpt` this recipient, at `data` and `end` a message with this recipient among others. */
  readonly recipient?: string;
  readonly match?: (session: SessionView) => boolean;
}

/** What a command is about, beyond what the session knows already. */
export interface Occasion {
  readonly stage: Stage;
  readonly session: SessionView;
  readonly recipient?: string | undefined;
}

/** The first rule for this occasion, which has one time less left. */
export function takeRule(script: Script<ExchangeRule>, occasion: Occasion): ExchangeRule | undefined {
  return script.take((rule) => applies(rule, occasion));
}

function applies(rule: ExchangeRule, { stage, session, recipient }: Occasion): boolean {
  if (rule.stage !== stage) return false;
  if (rule.mailbox !== undefined && !isSame(rule.mailbox, session.mailbox)) return false;
  const recipients = recipient === undefined ? session.recipients : [recipient];
  if (rule.recipient !== undefined && !recipients.some((one) => isSame(rule.recipient, one))) return false;
  return rule.match?.(session) ?? true;
}

function isSame(one: string | undefined, other: string | undefined): boolean {
  return one?.toLowerCase() === other?.toLowerCase();
}
