/** Repairs jobs as BullMQ reads them: whatever was written to one in Redis, it must bring a worker its message. */
import type { JobJson } from 'bullmq';
import { JOB_OPTIONS } from './job.ts';

/**
 * Fields that BullMQ would follow away from the message: a postponed failure, a parent, a schedule, a duplicate; and its
 * counts, which can start again from 0. The names are those in Redis.
 */
export const FOREIGN_FIELDS = ['defa', 'parent', 'parentKey', 'rjk', 'nrjid', 'deid', 'atm', 'stc'] as const;

/** Whether a job has fields that relay365 and BullMQ do not write for it. */
export function isCorrupt(json: JobJson): boolean {
  const { deferredFailure, parent, parentKey, repeatJobKey, deduplicationId } = json;
  const foreign = [deferredFailure, parent, parentKey, repeatJobKey, deduplicationId];
  return foreign.some((field) => field !== undefined) || !areCounts(json.attemptsMade, json.stalledCounter);
}

/** The job without foreign fields; its id says which message it is for. */
export function repairJob(json: JobJson): JobJson {
  const { id, name, progress, timestamp, failedReason, returnvalue, attemptsStarted } = json;
  const [attemptsMade, stalledCounter] = isCorrupt(json) ? [0, 0] : [json.attemptsMade, json.stalledCounter];
  const counts = { attemptsStarted, attemptsMade, stalledCounter };
  return { id, name, progress, timestamp, failedReason, returnvalue, ...counts, opts: JOB_OPTIONS, data: dataOf(json) };
}

/** Data that cannot be parsed is replaced by an empty object. */
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
