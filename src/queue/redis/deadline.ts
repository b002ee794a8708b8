/** A bound on how long an answer from Redis is waited for. */

export class DeadlineError extends Error {
  override readonly name = 'DeadlineError';
}

/** Settles as the promise does, or rejects after `timeoutMs`; the work itself goes on, its late result is ignored. */
export async function withDeadline<T>(promise: Promise<T>, timeoutMs: number): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new DeadlineError(`Redis did not answer within ${timeoutMs} ms.`)), timeoutMs);
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
