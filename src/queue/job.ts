/** The ticket of a message in its mailbox's queue: its id says which message, and it carries nothing else. */
import type { JobsOptions } from 'bullmq';
import type { Level, Message } from '../core/message.ts';

export const JOB_NAME = 'send';

/** BullMQ takes the lower number first. */
const LANES: Readonly<Record<Level, number>> = { high: 1, normal: 10, low: 100 };

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
