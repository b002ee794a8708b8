/**
 * Judges an outcome: whose fault it is, what follows for the message, and how to say it to a person. The pattern of a
 * reply decides before its code, and the code before its class.
 */
import { formatReply, type Outcome, type Stage } from './outcome.ts';
import { findReplyRule } from './reply-table.ts';
import type { Reply } from './message.ts';

/** Who is at fault: this connection, one recipient, this message, the mailbox or its credential, the tenant. */
export type Scope = 'connection' | 'recipient' | 'message' | 'mailbox' | 'tenant';

/** What follows: try again, give up, hold the mailbox until its fault is mended, slow the mailbox down. */
export type Verdict = 'retry' | 'fail' | 'hold' | 'slow';

export interface Judgement {
  readonly scope: Scope;
  readonly verdict: Verdict;
  /** What happened, in a sentence for a person. */
  readonly explanation: string;
  /** What mends it: a command or a place in a portal. */
  readonly fix?: string;
}

/** Judges a failed attempt. (`accepted` needs no judgement.) */
export function judge(outcome: Exclude<Outcome, { kind: 'accepted' }>): Judgement {
  switch (outcome.kind) {
    case 'refused':
      return judgeReply(outcome.reply, outcome.stage);
    case 'broken':
      return {
        scope: 'mailbox',
        verdict: 'hold',
        explanation: `The connection to Exchange failed (${STAGES[outcome.stage]}): ${outcome.error}`,
        fix: BROKEN_FIXES[outcome.stage] ?? 'Nothing, if it passes: the message is tried again.',
      };
    case 'unknown':
      return {
        scope: 'connection',
        verdict: 'retry',
        explanation:
          'The connection ended after the whole message was sent and before Exchange answered, so Exchange may have ' +
          `taken it. It is tried again with the same bytes and the same Message-ID. ${outcome.error}`,
      };
    case 'no-token':
      return { scope: 'mailbox', verdict: 'hold', explanation: `Entra gave no access token: ${outcome.error}` };
    case 'uncomposable':
      return { scope: 'message', verdict: 'fail', explanation: `The message can't be composed: ${outcome.error}` };
  }
}

/** Judges one reply, of the session or of one recipient. */
export function judgeReply(reply: Reply, stage: Stage): Judgement {
  const rule = findReplyRule(reply, stage);
  if (rule) return { scope: rule.scope, verdict: rule.verdict, explanation: rule.explanation, ...(rule.fix && { fix: rule.fix }) };
  const said = `Exchange answered (${STAGES[stage]}): ${formatReply(reply)}`;
  if (reply.code >= 500) return { scope: stage === 'rcpt' ? 'recipient' : 'message', verdict: 'fail', explanation: said };
  return { scope: stage === 'rcpt' ? 'recipient' : 'connection', verdict: 'retry', explanation: said };
}

const STAGES: Readonly<Record<Stage, string>> = {
  token: 'asking Entra for a token',
  connect: 'connecting',
  greeting: 'waiting for the banner',
  starttls: 'starting TLS',
  auth: 'logging in',
  mail: 'naming the sender',
  rcpt: 'naming the recipients',
  data: 'sending the message',
  end: 'after the message was sent',
};

const BROKEN_FIXES: Partial<Record<Stage, string>> = {
  connect: 'Check SMTP_HOST and SMTP_PORT (smtp.office365.com, 587), DNS, and that no firewall blocks outbound port 587.',
  greeting: 'Check that SMTP_PORT is 587 (465 is not served by Exchange Online) and that no firewall holds the connection.',
  starttls:
    'TLS 1.2 or newer with a certificate that this machine trusts is needed. A proxy that opens TLS must be trusted by ' +
    'NODE_EXTRA_CA_CERTS or, better, leave this connection alone.',
};
