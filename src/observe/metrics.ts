/** Metrics for Prometheus: names `relay365_*`, base units, and only labels that the configuration bounds. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { Transition } from '../core/deliver/transition.ts';
import { FINAL_STATUSES, isFinal, type Message } from '../core/message/message.ts';
import { type Fleet, fleetGauges } from './fleet-metrics.ts';

export interface Metrics {
  /** In the text format of Prometheus. */
  readonly text: () => Promise<string>;
  readonly contentType: string;
  readonly accepted: (message: Message) => void;
  readonly completed: (message: Message, transition: Pick<Transition, 'attempt' | 'status'>) => void;
  readonly canceled: (message: Message) => void;
  /** Entra gave another token, or none. */
  readonly token: (mailbox: string, outcome: 'renewed' | 'failed') => void;
  /** A reply of the submission server to one of its clients. */
  readonly smtpInReply: (code: number) => void;
  /** The day on which the submission server's certificate ends. */
  readonly smtpInCertificateEnd: (end: Date) => void;
  /** Reports these mailboxes and pools from now on, starting with 0: Prometheus sees no rise in a counter that starts with 1. */
  readonly begin: (names: readonly string[]) => void;
  /** Reads the state of mailboxes and queues with each scrape. */
  readonly watchFleet: (fleet: Fleet) => void;
  /** The day on which the mailbox's credential ends. */
  readonly credentialEnd: (mailbox: string, end: Date) => void;
}

const ATTEMPT_SECONDS = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 600];
const QUEUE_SECONDS = [0.1, 0.5, 1, 5, 15, 60, 300, 900, 3_600, 4 * 3_600, 12 * 3_600, 24 * 3_600];

/** `withProcess`: the metrics of Node.js and the process as well; once in a process. */
export function openMetrics({ withProcess = false } = {}): Metrics {
  const registry = new Registry();
  const registers = [registry];
  if (withProcess) collectDefaultMetrics({ register: registry });
  const counters = makeCounters(registers);
  let refresh: (() => Promise<void>) | undefined;
  const credentialEnd = new Gauge({
    name: 'relay365_credential_end_timestamp_seconds',
    help: "When the mailbox's credential ends, where that is known.",
    labelNames: ['mailbox'],
    registers,
  });
  let smtpInCertificateEnd: Gauge | undefined;
  return {
    ...mailMetrics(counters),
    begin: (names) => begin(names, counters),
    token: (mailbox, outcome) => counters.token.inc({ mailbox, outcome }),
    text: async () => {
      await refresh?.();
      return registry.metrics();
    },
    contentType: registry.contentType,
    smtpInReply: (code) => counters.smtpInReplies.inc({ code }),
    smtpInCertificateEnd: (end) => {
      smtpInCertificateEnd ??= makeSmtpInCertificateEnd(registers);
      smtpInCertificateEnd.set(end.getTime() / 1_000);
    },
    watchFleet: (fleet) => {
      refresh = fleetGauges(registers, fleet);
    },
    credentialEnd: (mailbox, end) => credentialEnd.set({ mailbox }, end.getTime() / 1_000),
  };
}

/** Created when there is a certificate: a gauge without labels starts with 0, which would read as an expired one. */
function makeSmtpInCertificateEnd(registers: Registry[]): Gauge {
  return new Gauge({
    name: 'relay365_smtp_in_certificate_end_timestamp_seconds',
    help: "When the submission server's certificate ends.",
    registers,
  });
}

type Counters = ReturnType<typeof makeCounters>;

function makeCounters(registers: Registry[]) {
  const counter = (name: string, help: string, ...labelNames: string[]) =>
    new Counter({ name: `relay365_${name}`, help, labelNames, registers });
  return {
    accepted: counter('messages_accepted_total', 'Messages accepted with 202, or with 250 by SMTP.', 'mailbox'),
    finished: counter(
      'messages_finished_total',
      'Finished messages by status: sent, failed, expired, canceled.',
      'mailbox',
      'status',
    ),
    replies: counter(
      'replies_total',
      "Exchange's replies that decided an attempt, by code and enhanced code.",
      'mailbox',
      'code',
      'enhanced',
    ),
    token: counter(
      'token_requests_total',
      'Requests for access tokens: granted by Entra (renewed) or not (failed).',
      'mailbox',
      'outcome',
    ),
    smtpInReplies: counter('smtp_in_replies_total', 'Replies to clients that submit by SMTP, by code.', 'code'),
    attempts: new Histogram({
      name: 'relay365_attempt_duration_seconds',
      help: 'Attempts to hand a message to Exchange, by outcome.',
      labelNames: ['mailbox', 'outcome'],
      buckets: ATTEMPT_SECONDS,
      registers,
    }),
    queueTime: new Histogram({
      name: 'relay365_queue_time_seconds',
      help: 'Time of a sent message from its accept, or from its sendAt, to the reply of Exchange.',
      labelNames: ['mailbox'],
      buckets: QUEUE_SECONDS,
      registers,
    }),
  };
}

function begin(names: readonly string[], { accepted, finished, token }: Counters): void {
  for (const mailbox of names) {
    accepted.inc({ mailbox }, 0);
    for (const status of FINAL_STATUSES) finished.inc({ mailbox, status }, 0);
    for (const outcome of ['renewed', 'failed']) token.inc({ mailbox, outcome }, 0);
  }
}

function mailMetrics({
  accepted,
  finished,
  replies,
  attempts,
  queueTime,
}: Counters): Pick<Metrics, 'accepted' | 'completed' | 'canceled'> {
  return {
    accepted: ({ mailbox }) => accepted.inc({ mailbox }),
    canceled: ({ mailbox }) => finished.inc({ mailbox, status: 'canceled' }),
    completed: ({ mailbox, acceptedAt, sendAt }, { attempt, status }) => {
      const { outcome, durationMs, reply, at } = attempt;
      attempts.observe({ mailbox, outcome }, durationMs / 1_000);
      if (reply) replies.inc({ mailbox, code: reply.code, enhanced: reply.enhanced ?? '' });
      if (!isFinal(status)) return;
      finished.inc({ mailbox, status });
      const waitedMs = at.getTime() + durationMs - (sendAt ?? acceptedAt).getTime();
      if (status === 'sent') queueTime.observe({ mailbox }, waitedMs / 1_000);
    },
  };
}
