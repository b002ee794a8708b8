/** What the log says about Redis: its faults at start, and when it is away. */
import type { Logger } from './log.ts';
import type { RedisClient } from '../queue/redis/client.ts';
import { checkRedis } from '../queue/redis/check.ts';

/** A lost connection reports itself many times a second. */
const REPORT_INTERVAL_MS = 10_000;

/** Logs each finding; waits for Redis. @throws Error when relay365 would lose mail with this Redis. */
export async function reportRedis(redis: RedisClient, log: Logger): Promise<void> {
  const findings = await checkRedis(redis);
  for (const { level, message } of findings) {
    if (level === 'warning') log.warn(message);
    if (level === 'info') log.info(message);
  }
  const errors = findings.filter(({ level }) => level === 'error').map(({ message }) => message);
  if (errors.length > 0) throw new Error(errors.join(' '));
}

/** A listener for a connection's errors that does not flood the log. */
export function redisErrors(log: Logger): (error: Error) => void {
  let quietUntilMs = 0;
  return (error) => {
    if (Date.now() < quietUntilMs) return;
    quietUntilMs = Date.now() + REPORT_INTERVAL_MS;
    const { code } = error as NodeJS.ErrnoException;
    // The stack of a network fault says nothing.
    if (code === undefined) log.warn({ err: error }, `redis: ${error.message || String(error)}`);
    else
      log.warn(
        { code },
        `Redis is away (${reasonOf(error)}). Reconnecting until it is back. Check REDIS_URL and the server.`,
      );
  };
}

/** For a name with several addresses Node gives one error per address, and no message. */
function reasonOf(error: Error & { readonly errors?: readonly Error[]; readonly code?: string }): string {
  return error.message || error.errors?.map(({ message }) => message).join(', ') || String(error.code);
}
