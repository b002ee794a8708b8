/** What Prometheus is told: names `relay365_*`, base units, and no label but what the configuration bounds. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { Conclusion } from './core/attempt.ts';
import type { MailboxReport } from './core/mailbox-desk.ts';
import { isFinal, type Message } from './core/message.ts';

export interface Metrics {
  /** In the text format of Prometheus. */
  readonly text: () => Promise<string>;
  readonly contentType: string;
  readonly accepted: (message: Message) => void;
  readonly concluded: (message: Message, conclusion: Pick<Conclusion, 'attempt' | 'status'>) => void;
  readonly canceled: (message: Message) => void;
  /** Entra gave another token, or none. */
  readonly token: (mailbox: string, outcome: 'renewed' | 'failed') => void;
  /** A reply of the submission server to one of its clients. */
  readonly smtpInReply: (code: number) => void;
  /** Asks for the mailboxes with each scrape. */
  readonly watchMailboxes: (list: () => Promise<readonly MailboxReport[]>) => void;
  /** The day on which the mailbox's credential ends. */
  readonly credentialEnd: (mailbox: string, end: Date) => void;
}

const ATTEMPT_SECONDS = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 600];
const QUEUE_SECONDS = [0.1, 0.5, 1, 5, 15, 60, 300, 900, 3_600, 4 * 3_600, 12 * 3_600, 24 * 3_600];
const STATES = ['open', 'throttled', 'held', 'paused'] as const;

/** `withProcess`: the metrics of Node.js and the process as well; once in a process. */
export function openMetrics({ withProcess = false } = {}): Metrics {
  const registry = new Registry();
  const registers = [registry];
  if (withProcess) collectDefaultMetrics({ register: registry });
  const mails = makeMailMetrics(registers);
  let refresh: (() => Promise<void>) | undefined;
  const token = new Counter({
    name: 'relay365_token_requests_total',
    help: 'Access tokens that Entra gave (renewed) or did not give (failed).',
    labelNames: ['mailbox', 'outcome'],
    registers,
  });
  const smtpInReplies = new Counter({
    name: 'relay365_smtp_in_replies_total',
    help: 'Replies to clients that submit by SMTP, by code.',
    labelNames: ['code'],
    registers,
  });
  const credentialEnd = new Gauge({
    name: 'relay365_credential_end_timestamp_seconds',
    help: "When the mailbox's credential ends, where that is known.",
    labelNames: ['mailbox'],
    registers,
  });
  return {
    ...mails,
    text: async () => {
      await refresh?.();
      return registry.metrics();
    },
    contentType: registry.contentType,
    token: (mailbox, outcome) => token.inc({ mailbox, outcome }),
    smtpInReply: (code) => smtpInReplies.inc({ code }),
    watchMailboxes: (list) => {
      refresh = mailboxGauges(registers, list);
    },
    credentialEnd: (mailbox, end) => credentialEnd.set({ mailbox }, end.getTime() / 1_000),
  };
}

function makeMailMetrics(registers: Registry[]): Pick<Metrics, 'accepted' | 'concluded' | 'canceled'> {
  const accepted = new Counter({
    name: 'relay365_messages_accepted_total',
    help: 'Messages that were answered 202, or 250 by SMTP.',
    labelNames: ['mailbox'],
    registers,
  });
  const finished = new Counter({
    name: 'relay365_messages_finished_total',
    help: 'Messages that are over, by their status: sent, failed, expired, canceled.',
    labelNames: ['mailbox', 'status'],
    registers,
  });
  const replies = new Counter({
    name: 'relay365_replies_total',
    help: "Exchange's replies that decided an attempt, by code and enhanced code.",
    labelNames: ['mailbox', 'code', 'enhanced'],
    registers,
  });
  const attempts = new Histogram({
    name: 'relay365_attempt_duration_seconds',
    help: 'Attempts at handing a message to Exchange, by their outcome.',
    labelNames: ['mailbox', 'outcome'],
    buckets: ATTEMPT_SECONDS,
    registers,
  });
  const queueTime = new Histogram({
    name: 'relay365_queue_time_seconds',
    help: 'From the accept, or the time that was asked for, to the end of a message that was sent.',
    labelNames: ['mailbox'],
    buckets: QUEUE_SECONDS,
    registers,
  });
  return {
    accepted: ({ mailbox }) => accepted.inc({ mailbox }),
    canceled: ({ mailbox }) => finished.inc({ mailbox, status: 'canceled' }),
    concluded: ({ mailbox, acceptedAt, sendAt }, { attempt, status }) => {
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

/** Gauges that are asked for and not kept, for the truth is in Redis; the answer sets them. */
function mailboxGauges(registers: Registry[], list: () => Promise<readonly MailboxReport[]>): () => Promise<void> {
  const gauge = (name: string, help: string, labelNames: readonly string[]) =>
    new Gauge({ name: `relay365_${name}`, help, labelNames: [...labelNames], registers });
  const count = gauge('mailboxes', 'Mailboxes in the configuration.', []);
  const queue = gauge('queue_messages', "Messages in a mailbox's queue: waiting, delayed, under_way.", [
    'mailbox',
    'state',
  ]);
  const state = gauge('mailbox_state', '1 for the state that the mailbox is in.', ['mailbox', 'state']);
  const used = gauge('mailbox_used', 'What is used of a limit of the mailbox.', ['mailbox', 'limit']);
  const limit = gauge('mailbox_limit', 'The limit of the mailbox; 0 = none.', ['mailbox', 'limit']);
  return async () => {
    const reports = await list();
    for (const one of [queue, state, used, limit]) one.reset();
    count.set(reports.length);
    for (const report of reports) {
      const { id: mailbox } = report.mailbox;
      queue.set({ mailbox, state: 'waiting' }, report.queue.waiting);
      queue.set({ mailbox, state: 'delayed' }, report.queue.delayed);
      queue.set({ mailbox, state: 'under_way' }, report.queue.underWay);
      for (const one of STATES) state.set({ mailbox, state: one }, report.standing.state === one ? 1 : 0);
      for (const [name, max, value] of limitsOf(report)) {
        used.set({ mailbox, limit: name }, value);
        limit.set({ mailbox, limit: name }, max);
      }
    }
  };
}

function limitsOf({ mailbox: { limits }, standing: { usage } }: MailboxReport): readonly [string, number, number][] {
  return [
    ['connections', limits.connections, usage.connections],
    ['messages_per_minute', limits.messagesPerMinute, usage.messagesPerMinute],
    ['recipients_per_day', limits.recipientsPerDay, usage.recipientsPerDay],
  ];
}
