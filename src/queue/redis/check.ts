/**
 * What relay365 needs of Redis, checked at start: a plain message then saves mail later. Some managed services hide their
 * configuration; what cannot be seen is reported as unknown.
 */
import type { RedisClient } from './client.ts';

/** `error`: relay365 cannot work with it. `warning`: messages can be lost or doubled. */
export interface Finding {
  readonly level: 'error' | 'warning' | 'info';
  readonly message: string;
}

/** BullMQ's recommended minimum is 6.2; 7.0 made the append-only file safe against a crash while it is rewritten. */
const VERSION_MIN: readonly [number, number] = [6, 2];
const VERSION_GOOD: readonly [number, number] = [7, 0];

/** Reads what Redis says about itself. Waits when Redis is away. */
export async function checkRedis(redis: RedisClient): Promise<readonly Finding[]> {
  const info = parseInfo(await redis.info());
  const config = await readConfig(redis);
  return [...checkVersion(info), ...checkEviction(info), ...checkPersistence(info, config)];
}

function checkVersion(info: Info): Finding[] {
  const version = info['valkey_version'] ?? info['redis_version'] ?? '0.0';
  if (isOlder(version, VERSION_MIN)) {
    return [
      { level: 'error', message: `Redis ${version} is too old: relay365 needs ${VERSION_MIN.join('.')} or newer.` },
    ];
  }
  if (isOlder(version, VERSION_GOOD)) {
    return [
      {
        level: 'warning',
        message: `Redis ${version} works; ${VERSION_GOOD.join('.')} or newer keeps its append-only file safer.`,
      },
    ];
  }
  return [];
}

function checkEviction(info: Info): Finding[] {
  const policy = info['maxmemory_policy'];
  if (policy === undefined || policy === 'noeviction') return [];
  return [
    {
      level: 'error',
      message:
        `Redis has maxmemory-policy ${policy} and would delete queued mails when its memory is full. ` +
        'Set it to noeviction: redis-cli CONFIG SET maxmemory-policy noeviction (and in redis.conf).',
    },
  ];
}

function checkPersistence(info: Info, config: Config): Finding[] {
  if (info['aof_enabled'] === '0') {
    return [
      {
        level: 'warning',
        message:
          'A 202 would not survive a restart of Redis: its append-only file is off' +
          `${config['save'] ? ` and a snapshot is written only at times (save ${config['save']})` : ''}. ` +
          'Turn it on: redis-cli CONFIG SET appendonly yes (and in redis.conf), with appendfsync always to lose nothing.',
      },
    ];
  }
  if (info['aof_enabled'] === undefined) {
    return [
      {
        level: 'warning',
        message:
          'Redis does not say whether it keeps an append-only file; without one a 202 does not survive its restart.',
      },
    ];
  }
  return checkFsync(config);
}

function checkFsync(config: Config): Finding[] {
  switch (config['appendfsync']) {
    case 'always':
      return [];
    case 'everysec':
      return [
        {
          level: 'info',
          message:
            'Redis writes to disk once a second (appendfsync everysec): a power cut may lose the last second of 202s.',
        },
      ];
    case 'no':
      return [
        {
          level: 'warning',
          message:
            'Redis leaves writing to disk to the system (appendfsync no): a power cut may lose half a minute of 202s.',
        },
      ];
    default:
      return [{ level: 'info', message: 'Redis does not say how often it writes to disk (appendfsync).' }];
  }
}

type Info = Readonly<Record<string, string>>;
type Config = Readonly<Record<string, string>>;

function parseInfo(text: string): Info {
  const pairs = text.split(/\r?\n/).map((line) => line.split(':'));
  return Object.fromEntries(
    pairs.filter(([name, value]) => name && value !== undefined).map(([name, ...value]) => [name, value.join(':')]),
  );
}

/** Managed services forbid CONFIG; then the settings are unknown. */
async function readConfig(redis: RedisClient): Promise<Config> {
  const settings = await Promise.all(['appendfsync', 'save'].map((name) => redis.config('GET', name).catch(() => [])));
  return Object.fromEntries((settings as string[][]).filter(([name]) => name !== undefined));
}

function isOlder(version: string, [major, minor]: readonly [number, number]): boolean {
  const [ownMajor = 0, ownMinor = 0] = version.split('.').map(Number);
  return ownMajor < major || (ownMajor === major && ownMinor < minor);
}
