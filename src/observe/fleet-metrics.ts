/**
 * The gauges that each scrape reads from Redis: the state of mailboxes and queues. Every API reports the same. When Redis is
 * away they are left out, so that no old figures are served, and `relay365_redis_up` says why.
 */
import { Gauge, type Registry } from 'prom-client';
import type { MailboxReport, PoolReport, QueueDepth } from '../core/admin/mailbox-admin.ts';

export interface Fleet {
  readonly mailboxes: () => Promise<readonly MailboxReport[]>;
  readonly pools: () => Promise<readonly PoolReport[]>;
  /** What waits in all queues together. */
  readonly waiting: () => Promise<{ readonly messages: number; readonly bytes: number }>;
  /** The limits for it; 0 = no limit. */
  readonly limits: { readonly messagesMax: number; readonly bytesMax: number };
}

const STATES = ['open', 'throttled', 'held', 'paused'] as const;

/** Call the result to refresh the gauges. */
export function fleetGauges(registers: Registry[], fleet: Fleet): () => Promise<void> {
  const { redisUp, unfinishedMessagesLimit, unfinishedBytesLimit, ...seen } = makeGauges(registers);
  unfinishedMessagesLimit.set(fleet.limits.messagesMax);
  unfinishedBytesLimit.set(fleet.limits.bytesMax);
  return async () => {
    const found = await Promise.all([fleet.mailboxes(), fleet.pools(), fleet.waiting()]).catch(() => undefined);
    forget(seen);
    redisUp.set(found ? 1 : 0);
    if (!found) return;
    const [reports, pools, { messages, bytes }] = found;
    seen.unfinishedMessages.set(messages);
    seen.unfinishedBytes.set(bytes);
    seen.mailboxes.set(reports.length);
    for (const report of reports) show(report, seen);
    for (const { name, queue } of pools) showQueue(name, queue, seen);
  };
}

type Seen = Omit<ReturnType<typeof makeGauges>, 'redisUp' | 'unfinishedMessagesLimit' | 'unfinishedBytesLimit'>;

function makeGauges(registers: Registry[]) {
  const gauge = (name: string, help: string, ...labelNames: string[]) =>
    new Gauge({ name: `relay365_${name}`, help, labelNames, registers });
  return {
    redisUp: gauge('redis_up', '1 when Redis answers.'),
    unfinishedMessages: gauge('unfinished_messages', 'Messages in all queues together, being sent or waiting.'),
    unfinishedMessagesLimit: gauge('unfinished_messages_limit', 'QUEUE_MESSAGES_MAX; 0 = none.'),
    unfinishedBytes: gauge('unfinished_bytes', 'Bytes of their content.'),
    unfinishedBytesLimit: gauge('unfinished_bytes_limit', 'QUEUE_MEGABYTES_MAX in bytes; 0 = none.'),
    mailboxes: gauge('mailboxes', 'Mailboxes in the configuration.'),
    queue: gauge(
      'queue_messages',
      "Messages in a mailbox's or a pool's queue: waiting, delayed, under_way.",
      'mailbox',
      'state',
    ),
    state: gauge('mailbox_state', '1 for the state that the mailbox is in.', 'mailbox', 'state'),
    used: gauge('mailbox_used', 'How much of a limit of the mailbox is used.', 'mailbox', 'limit'),
    limit: gauge('mailbox_limit', 'The limit of the mailbox; 0 = none.', 'mailbox', 'limit'),
  };
}

/** Without labels a gauge would be 0 after a reset. */
function forget({ unfinishedMessages, unfinishedBytes, mailboxes, ...labelled }: Seen): void {
  for (const gauge of [unfinishedMessages, unfinishedBytes, mailboxes]) gauge.remove();
  for (const gauge of Object.values(labelled)) gauge.reset();
}

function show(report: MailboxReport, { queue, state, used, limit }: Seen): void {
  const { id: mailbox } = report.mailbox;
  showQueue(mailbox, report.queue, { queue });
  for (const one of STATES) state.set({ mailbox, state: one }, report.mailboxStatus.state === one ? 1 : 0);
  for (const [name, max, value] of limitsOf(report)) {
    used.set({ mailbox, limit: name }, value);
    limit.set({ mailbox, limit: name }, max);
  }
}

function showQueue(mailbox: string, depth: QueueDepth, { queue }: Pick<Seen, 'queue'>): void {
  queue.set({ mailbox, state: 'waiting' }, depth.waiting);
  queue.set({ mailbox, state: 'delayed' }, depth.delayed);
  queue.set({ mailbox, state: 'under_way' }, depth.underWay);
}

function limitsOf({
  mailbox: { limits },
  mailboxStatus: { usage },
}: MailboxReport): readonly [string, number, number][] {
  return [
    ['connections', limits.connections, usage.connections],
    ['messages_per_minute', limits.messagesPerMinute, usage.messagesPerMinute],
    ['recipients_per_day', limits.recipientsPerDay, usage.recipientsPerDay],
  ];
}
