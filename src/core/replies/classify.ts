/**
 * Classifies an outcome: whose fault it is, what relay365 does, and what a person reads about it. Known faults are in
 * the tables. An unknown reply is classified by its class (4xx or 5xx), and a message never fails for a fault of the
 * mailbox, the tenant or the connection.
 */
import { findEntra } from './entra-table.ts';
import { type Fault, HOLD_WAIT, type Classification, SHORT_WAIT, SOURCES } from './classification.ts';
import type { Reply } from '../message/message.ts';
import { findNetwork, findNetworkToEntra } from './network-table.ts';
import type { Outcome, Stage } from './outcome.ts';
import { formatReply } from './reply.ts';
import { findReply } from './reply-table.ts';

/** Classifies a failed attempt. An accepted message needs no classification. */
export function classify(outcome: Exclude<Outcome, { kind: 'accepted' }>): Classification {
  switch (outcome.kind) {
    case 'refused':
      return classifyReply(outcome.reply, outcome.stage);
    case 'broken':
      return classifyBroken(outcome);
    case 'given-up':
      return GIVEN_UP;
    case 'unknown':
      return {
        ...UNKNOWN_OUTCOME,
        explanation:
          'The connection ended after the whole message was sent and before Exchange answered, so Exchange may have ' +
          `accepted it. ${outcome.error}`,
      };
    case 'no-token':
      return classifyNoToken(outcome);
    case 'uncomposable':
      return { ...UNCOMPOSABLE, explanation: `The message cannot be composed: ${outcome.error}` };
  }
}

const GIVEN_UP: Classification = {
  id: 'given-up',
  scope: 'connection',
  action: 'retry',
  atOnce: true,
  explanation:
    'Redis did not answer this worker for so long that another worker may have taken over its connection to the ' +
    'mailbox. The worker stopped before it handed the message over. The message is tried again.',
  source: 'relay365',
  known: true,
};

const UNKNOWN_OUTCOME = {
  id: 'unknown-outcome',
  scope: 'connection',
  action: 'retry',
  source: 'RFC 5321 4.5.3.2.6, RFC 1047',
  known: true,
} as const;

const UNCOMPOSABLE = {
  id: 'uncomposable',
  scope: 'message',
  action: 'fail',
  source: 'relay365',
  known: true,
} as const;

/** Classifies one reply: to the session, or to one recipient. */
export function classifyReply(reply: Reply, stage: Stage): Classification {
  const askedWaitMs = readAskedWait(reply.text);
  const fault = findReply(reply, stage) ?? refusedTls(reply, stage);
  const classification = fault ? { ...withoutPattern(fault), known: true } : classifyByCode(reply, stage);
  return askedWaitMs === undefined ? classification : { ...classification, askedWaitMs };
}

/** Exchange always starts TLS. Any refusal comes from something between, whatever its words. */
function refusedTls(reply: Reply, stage: Stage): Fault | undefined {
  const fault = stage === 'starttls' ? findNetwork('ETLS') : undefined;
  return fault && { ...fault, explanation: `${fault.explanation} ${answered(reply, stage)}` };
}

/** Before MAIL FROM the server has not heard of the message, so a refusal cannot be the message's fault. */
const BEFORE_MESSAGE: readonly Stage[] = ['token', 'connect', 'greeting', 'starttls', 'auth'];

/** RFC 4954 6: at any stage it is about the login. */
const AUTHENTICATION_REQUIRED = 530;

function classifyByCode(reply: Reply, stage: Stage): Classification {
  const row = { explanation: answered(reply, stage), source: SOURCES.rfc5321, known: false };
  if (reply.code < 500)
    return { ...row, id: 'unlisted-4xx', scope: stage === 'rcpt' ? 'recipient' : 'connection', action: 'retry' };
  if (BEFORE_MESSAGE.includes(stage) || reply.code === AUTHENTICATION_REQUIRED)
    return { ...row, id: 'unlisted-5xx', scope: 'mailbox', action: 'hold', wait: HOLD_WAIT };
  return { ...row, id: 'unlisted-5xx', scope: stage === 'rcpt' ? 'recipient' : 'message', action: 'fail' };
}

function answered(reply: Reply, stage: Stage): string {
  return `Exchange answered (${STAGES[stage]}): ${formatReply(reply)}`;
}

function classifyBroken({ stage, error, code }: Extract<Outcome, { kind: 'broken' }>): Classification {
  const explanation = `The connection to Exchange failed (${STAGES[stage]}): ${error}`;
  // The login had succeeded, so the mailbox is not at fault: only this connection failed.
  if (!BEFORE_MESSAGE.includes(stage)) {
    return {
      id: 'connection-lost',
      scope: 'connection',
      action: 'retry',
      explanation,
      source: SOURCES.rfc5321,
      known: true,
    };
  }
  const fault = findNetwork(code) ?? { ...CONNECTION_FAILED, ...(stage === 'starttls' && findNetwork('ETLS')) };
  return { ...withoutPattern(fault), explanation: `${fault.explanation} ${explanation}`, known: true };
}

const CONNECTION_FAILED: Fault = {
  id: 'connection-failed',
  looks: 'the connection ended before the login',
  scope: 'mailbox',
  action: 'hold',
  wait: SHORT_WAIT,
  explanation: 'There is no working connection to Exchange.',
  fix: 'Check SMTP_HOST and SMTP_PORT (smtp.office365.com, 587), and any firewall, proxy or antivirus on the way.',
  source: SOURCES.rfc5321,
};

function classifyNoToken({ error, code }: Extract<Outcome, { kind: 'no-token' }>): Classification {
  const said = `Entra issued no access token: ${error}`;
  const fault = findEntra(code) ?? findNetworkToEntra(code);
  if (fault) return { ...withoutPattern(fault), explanation: `${fault.explanation} ${said}`, known: true };
  const known = code === undefined || !code.startsWith('AADSTS');
  return { id: 'no-token', scope: 'mailbox', action: 'hold', explanation: said, source: SOURCES.entra, known };
}

/** The pattern is only for finding the row. */
function withoutPattern(
  fault: Fault & { codes?: unknown; enhanced?: unknown; text?: unknown; textOnly?: unknown; stages?: unknown },
): Fault {
  const { codes: _, enhanced: __, text: ___, textOnly: ____, stages: _____, ...rest } = fault;
  return rest;
}

const ASKED_WAIT =
  /(?:retry|try again|wait)\D{0,24}?(\d{1,5})\s*(ms|msec|millisecond|s|sec|second|min|minute|h|hour)s?\b/i;
/** Microsoft's longest window is 24 hours; a longer wait is not plausible. */
const ASKED_WAIT_MS_MAX = 24 * 3_600_000;
const UNITS_MS: Readonly<Record<string, number>> = {
  ms: 1,
  msec: 1,
  millisecond: 1,
  s: 1_000,
  sec: 1_000,
  second: 1_000,
  min: 60_000,
  minute: 60_000,
  h: 3_600_000,
  hour: 3_600_000,
};

/** Reads the wait in a reply's text, such as "Please try again in 5 minutes" or "Retry-After: 30 seconds". */
function readAskedWait(text: string): number | undefined {
  const [, count, unit = ''] = ASKED_WAIT.exec(text) ?? [];
  const unitMs = UNITS_MS[unit.toLowerCase()];
  if (count === undefined || unitMs === undefined) return undefined;
  return Math.min(Number(count) * unitMs, ASKED_WAIT_MS_MAX);
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
