/** The calls of an admin as HTTP needs them: each ends within a deadline, and rejects with an error that core knows. */
import { QueueUnavailableError } from '../core/admin/errors.ts';
import { isRedisAway } from '../queue/redis/away.ts';
import { withTimeout } from '../lib/async.ts';

type Call = (...args: never[]) => Promise<unknown>;

/** The same calls. Those with a deadline reject when it is over; the others take their time. */
export function inTime<Calls extends Record<keyof Calls, Call>>(
  calls: Calls,
  deadlinesMs: Readonly<Partial<Record<keyof Calls, number>>>,
): Calls {
  const bounded = Object.entries<Call>(calls).map(([name, call]) => {
    const deadlineMs = deadlinesMs[name as keyof Calls];
    return [name, (...args: never[]) => explained(bound(call(...args), deadlineMs))];
  });
  return Object.fromEntries(bounded);
}

function bound<T>(answer: Promise<T>, deadlineMs: number | undefined): Promise<T> {
  return deadlineMs === undefined ? answer : withTimeout(answer, deadlineMs);
}

async function explained<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (cause) {
    throw isRedisAway(cause) ? new QueueUnavailableError('Redis is away.', { cause }) : cause;
  }
}
