/**
 * Tells an outage of Redis from a fault of ours. ioredis gives an outage no class of its own: some are plain errors with
 * these words (ioredis 6: Redis.js, cluster/index.js, redis/event_handler.js), some Node's errors of the network.
 */
import { ReplyError } from 'ioredis';
import { TimeoutError } from '../../lib/async.ts';

const NAMES: readonly string[] = ['MaxRetriesPerRequestError', 'ClusterAllFailedError', 'AbortError'];
const MESSAGES =
  /^(?:Connection is closed|Stream isn't writeable|Socket timeout|connect ETIMEDOUT|Cluster is|Cluster isn't ready|None of startup nodes|Node is disconnected|Too many Cluster redirections)/;
const NETWORK_CODES =
  /^(?:ECONNREFUSED|ECONNRESET|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|ERR_STREAM_DESTROYED)$/;
/** Replies of a Redis that starts, is full, is cut off from its peers, or does not let us in. */
const REPLIES =
  /^(?:LOADING|OOM|MISCONF|READONLY|MASTERDOWN|NOREPLICAS|CLUSTERDOWN|TRYAGAIN|BUSY|NOAUTH|WRONGPASS|NOPERM|UNBLOCKED) /;

/** Whether the error says that Redis is away or cannot work now. */
export function isRedisAway(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error instanceof TimeoutError || NAMES.includes(error.name)) return true;
  if (error instanceof ReplyError) return REPLIES.test(error.message);
  return MESSAGES.test(error.message) || ('code' in error && NETWORK_CODES.test(String(error.code)));
}
