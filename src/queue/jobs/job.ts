/**
 * The job of a message in its mailbox's queue. Its id says which message; its data holds only what a worker must know
 * before it claims the message.
 */
import { createHash } from 'node:crypto';
import type { Job, JobsOptions } from 'bullmq';
import { RECIPIENTS_MAX } from '../../core/mailbox/mailbox.ts';
import { type Message, recipientsOf } from '../../core/message/message.ts';

export const JOB_NAME = 'send';

/**
 * A processor that throws has met a fault of relay365 or of Redis, not of the mail: come back soon, and for as long as
 * it takes. A job that is given up would leave its message without one; the record knows when to give up a message.
 */
const FAULT_RETRIES = 1_000_000;
const FAULT_DELAY_MS = 5_000;

/** BullMQ's options of each job, besides its priority and its delay. */
export const JOB_OPTIONS = {
  attempts: FAULT_RETRIES,
  backoff: { type: 'fixed', delay: FAULT_DELAY_MS },
  removeOnComplete: true,
  removeOnFail: true,
} as const satisfies JobsOptions;

/** How long the job of a message with a `sendAt` waits. */
export function delayOf({ acceptedAt, sendAt }: Pick<Message, 'acceptedAt' | 'sendAt'>): number {
  return sendAt ? sendAt.getTime() - acceptedAt.getTime() : 0;
}

/** A message's id cannot contain it; BullMQ's own separator is the colon. */
const RETRY_SIGN = '~';

/**
 * The id of the job for a message that is retried after this many attempts. It differs from the last job's id: BullMQ
 * would take a known id for the same job, and the last job may still exist. Two requests at once make one job.
 */
export function retryJobId(id: string, attempts: number): string {
  return `${id}${RETRY_SIGN}${attempts}`;
}

/** The id of the message that a job is for. */
export function messageIdOf({ id = '' }: Pick<Job, 'id'>): string {
  return id.split(RETRY_SIGN, 1)[0] ?? '';
}

export interface JobData {
  /** How many recipients the message counts against the mailbox's limit. */
  readonly recipients: number;
  /** Of a message to a pool: equal for messages with the same first recipient. */
  readonly sticky?: number;
}

export function jobData(message: Pick<Message, 'to' | 'cc' | 'bcc' | 'envelopeTo' | 'pool'>): JobData {
  const recipients = recipientsOf(message);
  return {
    recipients: recipients.length,
    ...(message.pool !== undefined && { sticky: hashOf(recipients[0] ?? '') }),
  };
}

function hashOf(address: string): number {
  return createHash('sha256').update(address.toLowerCase()).digest().readUInt32BE(0);
}

/** As Redis has it: another version or another program may have written it. */
type FoundJob = Pick<Job<Partial<JobData> | null>, 'data'>;

export function stickyKeyOf({ data }: FoundJob): number {
  const sticky = data?.sticky;
  return Number.isSafeInteger(sticky) ? (sticky ?? 0) : 0;
}

/** A job without a number counts as one recipient. No job counts as more than a message may have. */
export function recipientsOfJob({ data }: FoundJob): number {
  const recipients = data?.recipients;
  return Number.isSafeInteger(recipients) ? Math.min(Math.max(1, recipients ?? 1), RECIPIENTS_MAX) : 1;
}
