/**
 * The ticket of a message in its mailbox's queue: its id says which message, and it carries only what must be known
 * before the message is taken up.
 */
import { createHash } from 'node:crypto';
import type { Job, JobsOptions } from 'bullmq';
import { type Message, recipientsOf } from '../core/message.ts';
import { LANES } from './lanes.ts';

export const JOB_NAME = 'send';

/** A processor that throws has met a fault of relay365 or of Redis, not of the mail: come back soon, and often. */
const FAULT_RETRIES = 100;
const FAULT_DELAY_MS = 5_000;

export function jobOptions(message: Pick<Message, 'priority'>): JobsOptions {
  return {
    priority: LANES[message.priority],
    attempts: FAULT_RETRIES,
    backoff: { type: 'fixed', delay: FAULT_DELAY_MS },
    removeOnComplete: true,
    removeOnFail: true,
  };
}

export interface JobData {
  /** How many the message counts against the mailbox's limit of recipients. */
  readonly recipients: number;
  /** Of a message to a pool: the same for the same first recipient. */
  readonly sticky: number;
}

export function jobData(message: Pick<Message, 'to' | 'cc' | 'bcc'>): JobData {
  const recipients = recipientsOf(message);
  return { recipients: recipients.length, sticky: hashOf(recipients[0] ?? '') };
}

function hashOf(address: string): number {
  return createHash('sha256').update(address.toLowerCase()).digest().readUInt32BE(0);
}

export function stickyKeyOf({ data }: Job<Partial<JobData>>): number {
  return Number.isSafeInteger(data.sticky) ? (data.sticky ?? 0) : 0;
}

/** What stands in Redis may have been written by another version: a ticket without a number counts as one. */
export function recipientsOfJob({ data }: Job<Partial<JobData>>): number {
  return Number.isSafeInteger(data.recipients) ? Math.max(1, data.recipients ?? 1) : 1;
}
