/**
 * The ticket of a message in its mailbox's queue: its id says which message, and it carries only what must be known
 * before the message is taken up.
 */
import { createHash } from 'node:crypto';
import type { Job, JobJson, JobsOptions } from 'bullmq';
import { RECIPIENTS_MAX } from '../../core/mailbox/mailbox.ts';
import { type Message, recipientsOf } from '../../core/message/message.ts';

export const JOB_NAME = 'send';

/**
 * A processor that throws has met a fault of relay365 or of Redis, not of the mail: come back soon, and for as long as
 * it takes. A ticket that is given up would leave its message behind; the record knows when to give up a message.
 */
const FAULT_RETRIES = 1_000_000;
const FAULT_DELAY_MS = 5_000;

/** What BullMQ is told of each ticket, beside its lane and its delay. */
export const JOB_OPTIONS = {
  attempts: FAULT_RETRIES,
  backoff: { type: 'fixed', delay: FAULT_DELAY_MS },
  removeOnComplete: true,
  removeOnFail: true,
} as const satisfies JobsOptions;

/** A message that is to be sent later comes when its time has come. */
export function delayOf({ acceptedAt, sendAt }: Pick<Message, 'acceptedAt' | 'sendAt'>): number {
  return sendAt ? sendAt.getTime() - acceptedAt.getTime() : 0;
}

/** Not allowed in a message's id, and BullMQ's own sign is the colon. */
const RETRY_SIGN = '~';

/**
 * The ticket's id for a message that is tried anew after so many attempts. It is not the last one's: BullMQ takes an id
 * that it still has for the same ticket, and the last one may not be gone yet. Two who ask at once make one ticket.
 */
export function retryJobId(id: string, attempts: number): string {
  return `${id}${RETRY_SIGN}${attempts}`;
}

/** The id of the message that the ticket is for. */
export function messageIdOf({ id = '' }: Pick<Job, 'id'>): string {
  return id.split(RETRY_SIGN, 1)[0] ?? '';
}

export interface JobData {
  /** How many the message counts against the mailbox's limit of recipients. */
  readonly recipients: number;
  /** Of a message to a pool: the same for the same first recipient. */
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

/** As it comes back: another version may have written it, or somebody else. */
type FoundJob = Pick<Job<Partial<JobData> | null>, 'data'>;

export function stickyKeyOf({ data }: FoundJob): number {
  const sticky = data?.sticky;
  return Number.isSafeInteger(sticky) ? (sticky ?? 0) : 0;
}

/** A ticket without a number counts as one; no message has more recipients than one may have. */
export function recipientsOfJob({ data }: FoundJob): number {
  const recipients = data?.recipients;
  return Number.isSafeInteger(recipients) ? Math.min(Math.max(1, recipients ?? 1), RECIPIENTS_MAX) : 1;
}

/**
 * What BullMQ keeps in a ticket that leads away from its message: an end that was put off, a parent, a schedule, a
 * namesake; and the counts, which begin anew without harm. As Redis has them.
 */
export const FOREIGN_FIELDS = ['defa', 'parent', 'parentKey', 'rjk', 'nrjid', 'deid', 'atm', 'stc'] as const;

/** Whether a ticket is not as relay365 and BullMQ leave it. */
export function isCorrupt(json: JobJson): boolean {
  const { deferredFailure, parent, parentKey, repeatJobKey, deduplicationId } = json;
  const astray = [deferredFailure, parent, parentKey, repeatJobKey, deduplicationId];
  return astray.some((field) => field !== undefined) || !areCounts(json.attemptsMade, json.stalledCounter);
}

/** A ticket with nothing in it that leads away from its message: its id says all that is needed. */
export function repairJob(json: JobJson): JobJson {
  const { id, name, progress, timestamp, failedReason, returnvalue, attemptsStarted } = json;
  const [attemptsMade, stalledCounter] = isCorrupt(json) ? [0, 0] : [json.attemptsMade, json.stalledCounter];
  const counts = { attemptsStarted, attemptsMade, stalledCounter };
  return { id, name, progress, timestamp, failedReason, returnvalue, ...counts, opts: JOB_OPTIONS, data: dataOf(json) };
}

/** What can't be parsed is as good as nothing. */
function dataOf({ data }: JobJson): string {
  try {
    JSON.parse(data);
    return data;
  } catch {
    return '{}';
  }
}

function areCounts(...numbers: readonly number[]): boolean {
  return numbers.every((number) => Number.isSafeInteger(number) && number >= 0);
}
