/**
 * Connections to Redis. The accepting side fails fast, so that a sender learns at once that the queue is away; the
 * working side waits until Redis is back.
 */
import { Cluster, Redis, type RedisOptions } from 'ioredis';

/** Where Redis is, from the configuration. */
export interface RedisLocation {
  /** `redis://`, `rediss://` or `unix://` (a socket's path). With Sentinel and Cluster: user, password and database. */
  readonly url: string;
  /** Sentinels as `host:port`; with them `sentinelMaster` is the name of the master that they watch. */
  readonly sentinels: readonly string[];
  readonly sentinelMaster: string;
  /** Further nodes of a Redis Cluster as `host:port`; the url's host is one as well. */
  readonly clusterNodes: readonly string[];
}

export type RedisClient = Redis | Cluster;

/** `fail-fast`: a command is refused while there is no connection. `patient`: it waits for one. */
export type ReconnectMode = 'fail-fast' | 'patient';

const CONNECT_TIMEOUT_MS = 5_000;
const RECONNECT_DELAY_MS_MAX = 1_000;
const DEFAULT_PORT = 6379;
/**
 * A connection without an answer for this long is replaced: Redis may be frozen, or the network cut without a sign, and
 * commands would pile up. With a shorter time the largest messages would not get through: 200 MB need 80 Mbit/s.
 */
const SILENCE_MS_MAX = 20_000;

/** The replies' shape is left at ioredis's default, which the types of a client depend on. */
type Options = Omit<RedisOptions, 'replyMapping'>;

const RECONNECT_MODES: Record<ReconnectMode, Options> = {
  'fail-fast': { enableOfflineQueue: false, maxRetriesPerRequest: 0, autoResendUnfulfilledCommands: false },
  // BullMQ demands `null` for its blocking connection: a worker outlives any outage.
  patient: { enableOfflineQueue: true, maxRetriesPerRequest: null },
};

/** Opens a connection; it connects in the background and reconnects for ever. */
export function openRedis(location: RedisLocation, mode: ReconnectMode, name: string): RedisClient {
  const url = new URL(location.url);
  const options: Options = {
    ...RECONNECT_MODES[mode],
    ...credentials(url),
    connectionName: `relay365:${name}`,
    connectTimeout: CONNECT_TIMEOUT_MS,
    socketTimeout: SILENCE_MS_MAX,
    retryStrategy: reconnectDelayMs,
  };
  if (location.clusterNodes.length > 0) return openCluster(url, location.clusterNodes, options);
  if (location.sentinels.length > 0) {
    return new Redis({ ...options, sentinels: location.sentinels.map(hostAndPort), name: location.sentinelMaster });
  }
  if (url.protocol === 'unix:') return new Redis({ ...options, path: decodeURIComponent(url.pathname) });
  return new Redis({ ...options, ...address(url) });
}

function openCluster(url: URL, nodes: readonly string[], options: Options): Cluster {
  const { enableOfflineQueue, maxRetriesPerRequest, retryStrategy: _, ...redisOptions } = options;
  return new Cluster([address(url), ...nodes.map(hostAndPort)], {
    redisOptions: { ...redisOptions, maxRetriesPerRequest: maxRetriesPerRequest ?? null },
    enableOfflineQueue: enableOfflineQueue ?? true,
    clusterRetryStrategy: reconnectDelayMs,
  });
}

function credentials(url: URL): Options {
  const db = Number(url.protocol === 'unix:' ? 0 : url.pathname.slice(1) || 0);
  return {
    ...(url.username && { username: decodeURIComponent(url.username) }),
    ...(url.password && { password: decodeURIComponent(url.password) }),
    ...(db > 0 && { db }),
    ...(url.protocol === 'rediss:' && { tls: { servername: url.hostname } }),
  };
}

function address(url: URL): { host: string; port: number } {
  return { host: url.hostname.replace(/^\[|\]$/g, ''), port: Number(url.port) || DEFAULT_PORT };
}

function hostAndPort(node: string): { host: string; port: number } {
  return address(new URL(`redis://${node}`));
}

function reconnectDelayMs(attempt: number): number {
  return Math.min(50 * 2 ** Math.min(attempt, 5), RECONNECT_DELAY_MS_MAX);
}
