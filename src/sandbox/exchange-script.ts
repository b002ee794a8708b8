/** The rules by which a test makes the simulated Exchange misbehave, at each stage of the dialogue. */
import type { Script } from './script.ts';

/** Where a rule applies. `auth` is when the credentials are known, `end` is after the final dot of a message. */
export type Stage = 'connect' | 'ehlo' | 'starttls' | 'auth' | 'mail' | 'rcpt' | 'data' | 'end';

/** What a rule can see of a session. */
export interface SessionView {
  readonly id: string;
  readonly secure: boolean;
  /** The name that the client gave in EHLO. */
  readonly client: string | undefined;
  /** The mailbox that is logged in, or at `auth` the one that logs in. */
  readonly mailbox: string | undefined;
  readonly from: string | undefined;
  readonly recipients: readonly string[];
  /** Messages accepted in this session. */
  readonly taken: number;
}

/** Without `reply` and `drop` a rule only delays. */
export interface ExchangeRule {
  readonly stage: Stage;
  /** Replaces the real reply. After a 4xx or 5xx the command has no effect; 421 also closes the connection. */
  readonly reply?: string;
  /** The connection is destroyed instead of a reply. */
  readonly drop?: true;
  /** `Infinity`: there is no reply until the client disconnects. */
  readonly delayMs?: number;
  /** At `end`: the message is accepted first, whatever the client is answered. This makes an unknown outcome. */
  readonly accept?: true;
  /** Default 1. `Infinity`: until the rule is removed. */
  readonly times?: number;
  readonly mailbox?: string;
  /** At `rcpt` this recipient; at `data` and `end` a message to this recipient and perhaps others. */
  readonly recipient?: string;
  readonly match?: (session: SessionView) => boolean;
}

/** A command at which a rule can apply. */
export interface Occasion {
  readonly stage: Stage;
  readonly session: SessionView;
  readonly recipient?: string | undefined;
}

/** The first rule that applies. It is counted as used once. */
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
