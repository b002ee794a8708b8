/** Where BullMQ keeps a queue in Redis. All that reads or writes these keys without BullMQ takes their names from here. */

/** What follows a queue's own name in the names of its keys; in Lua by these names, see JOB_CONSTANTS. */
export const QUEUE_KEYS = {
  /** The jobs that wait, by priority and order of arrival. */
  PRIORITIZED: ':prioritized',
  /** Jobs without a priority that wait; relay365 does not write such jobs, but other programs may. */
  WAIT: ':wait',
  /** The jobs that wait for their time. */
  DELAYED: ':delayed',
  /** The jobs that workers have. */
  ACTIVE: ':active',
  /** Wakes workers that wait for a job. */
  MARKER: ':marker',
  /** Counts arrivals. */
  ARRIVALS: ':pc',
} as const;

export interface QueueKeys {
  readonly prioritized: string;
  readonly wait: string;
  readonly delayed: string;
  readonly active: string;
}

export function queueKeys(prefix: string, name: string): QueueKeys {
  const { PRIORITIZED, WAIT, DELAYED, ACTIVE } = QUEUE_KEYS;
  const queue = `${prefix}:${name}`;
  return { prioritized: queue + PRIORITIZED, wait: queue + WAIT, delayed: queue + DELAYED, active: queue + ACTIVE };
}
