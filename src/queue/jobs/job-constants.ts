/** The constants of Lua scripts that read or write jobs. */
import { QUEUE_KEYS } from './bullmq-keys.ts';
import { JOB_NAME, JOB_OPTIONS } from './job.ts';
import { PRIORITIES, PRIORITY_FACTOR } from './priorities.ts';

export const JOB_CONSTANTS = {
  JOB_NAME,
  /** As JSON, without the first brace: delay and priority come before the rest. */
  JOB_OPTIONS: JSON.stringify(JOB_OPTIONS).slice(1),
  PRIORITY_HIGH: PRIORITIES.high,
  PRIORITY_NORMAL: PRIORITIES.normal,
  PRIORITY_LOW: PRIORITIES.low,
  PRIORITY_FACTOR,
  ...QUEUE_KEYS,
} as const;
