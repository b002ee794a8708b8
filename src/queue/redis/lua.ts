/** Lua scripts as methods of their own, run by digest and loaded again by ioredis when Redis has forgotten them. */
import type { RedisClient } from './client.ts';

type Argument = string | number | Buffer;

export type LuaScript<Answer> = (keys: readonly string[], ...args: readonly Argument[]) => Promise<Answer>;

/** For the beginning of a script: `now` is Redis's time in ms, the same for all workers. */
export const NOW = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
`;

/**
 * The type of each script's answer is what its author says: Redis can't know. Strings in the answers of those in `binary`
 * are buffers.
 */
export function defineLua<Scripts extends Readonly<Record<keyof Scripts, LuaScript<unknown>>>>(
  redis: RedisClient,
  scripts: Readonly<Record<keyof Scripts, string>>,
  binary: readonly (keyof Scripts)[] = [],
): Scripts {
  const commands = redis as unknown as Record<string, (...args: readonly Argument[]) => Promise<unknown>>;
  const define = ([name, lua]: readonly [string, string]) => {
    const command = `relay365_${name}`;
    redis.defineCommand(command, { lua });
    const method = binary.includes(name as keyof Scripts) ? `${command}Buffer` : command;
    const run: LuaScript<unknown> = (keys, ...args) =>
      commands[method]?.(keys.length, ...keys, ...args) as Promise<unknown>;
    return [name, run] as const;
  };
  return Object.fromEntries(Object.entries<string>(scripts).map(define)) as unknown as Scripts;
}
