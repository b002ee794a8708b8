/** The promises that no fault may break, each with the check that finds its breaches. */
import { createHash } from 'node:crypto';
import { ANSWER_MS_MAX } from './answer.ts';
import type { AttemptView, Evidence, Injected, MessageView } from './evidence.ts';
import { BODY_MARK, bytesOf, type Request, subjectOf, UNANSWERED } from './load.ts';
import { CONNECTIONS_MAX, MESSAGES_PER_MINUTE, SECRET, SHUTDOWN_TIMEOUT_SECONDS } from './world.ts';

export interface Invariant {
  readonly promise: string;
  /** A sentence for each breach. */
  readonly check: (evidence: Evidence) => string[];
}

/** How soon another worker must have a killed worker's message. */
const RECOVERY_MS_MAX = 30_000;
/** A 503 comes at once: Redis has a second to answer, and the machine of a run is busy. */
const REFUSAL_MS_MAX = 4_000;
/** How long after its timeout a process may still run. */
const SHUTDOWN_GRACE_MS = 7_000;

export const INVARIANTS: readonly Invariant[] = [
  {
    promise: 'every message answered 202 or 250 is known',
    check: forAccepted(({ message }) => (message ? [] : ['is not known'])),
  },
  {
    promise: 'every message answered 202 or 250 became final',
    check: forAccepted(({ message }) => (message && !isOver(message) ? [`is still ${message.status}`] : [])),
  },
  { promise: 'a message reached exactly the recipients that its status names', check: forAccepted(checkRecipients) },
  { promise: 'a message failed only because Exchange refused it', check: forAccepted(checkFailure) },
  { promise: 'a message that arrived twice has an attempt that says why', check: forAccepted(checkDoubles) },
  { promise: 'each copy of a message has the same bytes and Message-ID', check: forAccepted(checkCopies) },
  { promise: 'a message received by SMTP is sent byte for byte', check: forAccepted(checkBytes) },
  { promise: 'every message sent by SMTP is accepted in the end', check: checkTaken },
  { promise: 'no message arrived after an answer said that it was not queued', check: checkRefused },
  { promise: 'no message arrived that was never sent', check: checkStrangers },
  { promise: 'every request was answered, and each 503 or 4xx at once', check: checkAnswers },
  { promise: 'no mailbox had more connections than its limit', check: checkConnections },
  { promise: 'no mailbox sent more messages a minute than its limit', check: checkRate },
  { promise: "another worker has a killed worker's message within 30 s", check: checkRecovery },
  { promise: 'every process ends when it is asked to, within its time', check: checkEnds },
  { promise: 'nothing is left in Redis', check: ({ leftovers }) => [...leftovers] },
  { promise: 'no secret and no message text is in the logs', check: checkLogs },
  {
    promise: 'every fault was ended',
    check: ({ faults }) => faults.flatMap(({ name, error }) => (error === undefined ? [] : [`${name}: ${error}`])),
  },
];

interface Accepted {
  readonly request: Request;
  readonly message: MessageView | undefined;
  readonly copies: Evidence['taken'];
}

function forAccepted(check: (accepted: Accepted) => readonly string[]): Invariant['check'] {
  return ({ requests, messages, taken }) => {
    const bySubject = Map.groupBy(taken, ({ subject }) => subject);
    return requests.flatMap((request) => {
      const { answer, mail } = request;
      if (answer.kind !== 'accepted') return [];
      const copies = bySubject.get(subjectOf(mail.n)) ?? [];
      return check({ request, message: messages.get(answer.id), copies }).map(
        (breach) => `${subjectOf(mail.n)} (${answer.id}) ${breach}`,
      );
    });
  };
}

function isOver({ status }: MessageView): boolean {
  return status === 'sent' || status === 'failed';
}

function countOf(copies: Accepted['copies'], address: string): number {
  return copies.filter(({ recipients }) => recipients.includes(address)).length;
}

function checkRecipients({ request: { mail }, message, copies }: Accepted): string[] {
  if (!message || !isOver(message)) return [];
  return mail.to.flatMap((address) => {
    const said = message.recipients.find((recipient) => recipient.address === address)?.status;
    const count = countOf(copies, address);
    if (said === 'sent' && count === 0) return [`has the status sent for ${address}, but did not arrive`];
    const mayBeThere = message.attempts.some(({ outcome }) => outcome === 'unknown');
    if (said !== 'sent' && count > 0 && !mayBeThere) return [`has the status ${said} for ${address}, but arrived`];
    return [];
  });
}

/** Scripted refusals, the only permanent ones of this Exchange. */
const FINAL_REPLIES = /^(554 5\.6\.0|550 5\.1\.10) /;

function checkFailure({ message }: Accepted): string[] {
  if (message?.status !== 'failed') return [];
  const last = message.attempts.at(-1);
  const { code, enhanced, text } = last?.reply ?? {};
  return FINAL_REPLIES.test(`${code} ${enhanced} ${text}`) ? [] : [`failed: ${last?.explanation}`];
}

function checkDoubles({ request: { mail }, message, copies }: Accepted): string[] {
  const unknown = message?.attempts.filter(({ outcome }) => outcome === 'unknown').length ?? 0;
  return mail.to
    .filter((address) => countOf(copies, address) > 1 + unknown)
    .map(
      (address) =>
        `arrived ${countOf(copies, address)} times at ${address}, with ${unknown} unknown of its attempts ` +
        (message?.attempts.map(describe).join(', ') ?? ''),
    );
}

function describe({ at, durationMs, outcome }: AttemptView): string {
  return `${outcome} (${at} + ${durationMs} ms)`;
}

function checkCopies({ message, copies }: Accepted): string[] {
  const digests = new Set(copies.map(({ raw }) => createHash('sha256').update(raw).digest('hex')));
  const stranger = copies.find(({ messageId }) => messageId !== message?.messageId);
  return [
    ...(digests.size > 1 ? [`arrived in ${digests.size} different versions`] : []),
    ...(stranger ? [`arrived with another Message-ID, ${stranger.messageId}`] : []),
  ];
}

/** relay365 only adds header fields above them. */
function checkBytes({ request: { mail, protocol }, copies }: Accepted): string[] {
  if (protocol === 'HTTP') return [];
  const bytes = bytesOf(mail);
  return copies.every(({ raw }) => raw.subarray(-bytes.length).equals(bytes)) ? [] : ['arrived with other bytes'];
}

function checkTaken({ requests }: Evidence): string[] {
  const bySmtp = requests.filter(({ protocol }) => protocol === 'SMTP');
  return [...Map.groupBy(bySmtp, ({ mail }) => mail.n)].flatMap(([n, tries]) => {
    const { kind, ...last } = tries.at(-1)?.answer ?? { kind: 'no-answer' };
    return kind === 'accepted' ? [] : [`${subjectOf(n)}: ${tries.length} tries, then ${JSON.stringify(last)}`];
  });
}

/** By SMTP a refused message arrives with a later try. */
function checkRefused({ requests, taken }: Evidence): string[] {
  const there = new Set(taken.map(({ subject }) => subject));
  return requests.flatMap(({ mail, protocol, answer }) =>
    protocol === 'HTTP' && answer.kind === 'refused' && answer.type !== UNANSWERED && there.has(subjectOf(mail.n))
      ? [`${subjectOf(mail.n)} arrived, although the answer was ${answer.status} ${answer.type}`]
      : [],
  );
}

function checkStrangers({ requests, taken }: Evidence): string[] {
  const known = new Set(requests.map(({ mail }) => subjectOf(mail.n)));
  return taken.filter(({ subject }) => !known.has(subject ?? '')).map(({ subject, n }) => `message ${n}: ${subject}`);
}

function checkAnswers({ requests }: Evidence): string[] {
  return requests.flatMap(({ mail, protocol, api, tookMs, answer }) => {
    const late = answer.kind === 'refused' ? tookMs > REFUSAL_MS_MAX : tookMs >= ANSWER_MS_MAX;
    const wrong = answer.kind === 'refused' && (protocol === 'HTTP' ? answer.status !== 503 : answer.status >= 500);
    if (!late && !wrong) return [];
    const how = answer.kind === 'refused' ? `${answer.status} ${answer.type}` : answer.kind;
    return [`${subjectOf(mail.n)}: ${how} by ${api} after ${tookMs} ms`];
  });
}

function checkConnections({ connectionPeaks }: Evidence): string[] {
  return [...connectionPeaks]
    .filter(([, peak]) => peak > CONNECTIONS_MAX)
    .map(([mailbox, peak]) => `${mailbox} had ${peak} connections; its limit is ${CONNECTIONS_MAX}`);
}

const WINDOW_MS = 60_000;

function checkRate({ taken, rateRefusals }: Evidence): string[] {
  const busy = [...Map.groupBy(taken, ({ mailbox }) => mailbox)].flatMap(([mailbox, messages]) => {
    const times = messages.map(({ at }) => at.getTime());
    const count = Math.max(...times.map((start) => times.filter((at) => at >= start && at < start + WINDOW_MS).length));
    return count > MESSAGES_PER_MINUTE ? [`${mailbox} sent ${count} messages in 60 s`] : [];
  });
  return rateRefusals > 0 ? [...busy, `Exchange refused ${rateRefusals} messages because of their rate`] : busy;
}

/** How long each message of a killed worker waited. Messages that waited during a fault of Redis do not count. */
export function recoveries({ messages, ends, faults }: Evidence): { readonly at: number; readonly tookMs: number }[] {
  const left = [...messages.values()]
    .flatMap((message) => message?.attempts ?? [])
    .filter(({ explanation }) => /^The worker died/.test(explanation))
    .map(({ at, durationMs }) => ({ began: Date.parse(at), taken: Date.parse(at) + durationMs }));
  return ends
    .filter(({ name, asked }) => name.startsWith('worker') && asked === 'SIGKILL')
    .flatMap(({ at }) =>
      left.filter(({ began, taken }) => began <= at && at <= taken).map(({ taken }) => ({ at, taken })),
    )
    .filter(({ at, taken }) => !faults.some((fault) => isTrouble(fault) && fault.at < taken && fault.endedAt > at))
    .map(({ at, taken }) => ({ at, tookMs: taken - at }));
}

function isTrouble({ name }: Injected): boolean {
  return /^(Redis|worker: clock|worker: frozen)/.test(name);
}

function checkRecovery(evidence: Evidence): string[] {
  return recoveries(evidence)
    .filter(({ tookMs }) => tookMs > RECOVERY_MS_MAX)
    .map(({ at, tookMs }) => `a message of the worker killed at ${new Date(at).toISOString()} waited ${tookMs} ms`);
}

function checkEnds({ ends, faults }: Evidence): string[] {
  return ends.flatMap(({ name, at, asked, result, tookMs }) => {
    if (asked === undefined) return [`${name} ended by itself at ${new Date(at).toISOString()}: ${result}`];
    if (asked === 'SIGKILL') return [];
    const limitMs = SHUTDOWN_TIMEOUT_SECONDS * 1_000 + SHUTDOWN_GRACE_MS;
    const isUndisturbed = !faults.some(
      (fault) => fault.name.startsWith('Redis') && fault.at < at + tookMs && fault.endedAt > at - 1_000,
    );
    const right = tookMs <= limitMs && (result === 0 || !isUndisturbed);
    return right ? [] : [`${name} took ${tookMs} ms after ${asked} and ended with ${result}`];
  });
}

function checkLogs({ logs }: Evidence): string[] {
  const secrets = { 'the client secret': SECRET, 'a body': BODY_MARK, 'a subject': subjectOf(1), 'a token': 'Bearer ' };
  return [...logs].flatMap(([file, text]) =>
    Object.entries(secrets).flatMap(([what, secret]) => (text.includes(secret) ? [`${what} is in ${file}`] : [])),
  );
}
