/**
 * The Lua scripts that keep Redis in order: they repair jobs that BullMQ cannot bring to a worker any more, and remove
 * messages whose retention is over. They use keys under the prefix that they are given, and so in the same slot of a
 * cluster: see keys.ts.
 */
import { JOB_CONSTANTS } from '../jobs/job-constants.ts';
import { luaScript } from '../redis/lua.ts';

export const PRUNE_SCRIPTS = {
  prune: luaScript<{ finished: string }, { prefix: string; nowMs: number; max: number }, number>(
    new URL('prune.lua', import.meta.url),
  ),
};

export const JOB_RESCUER_SCRIPTS = {
  findJobless: luaScript<{ queues: string }, { prefix: string; ids: readonly string[] }, string[]>(
    new URL('find-jobless.lua', import.meta.url),
    { constants: JOB_CONSTANTS },
  ),
  repairJob: luaScript<
    { record: string },
    {
      prefix: string;
      id: string;
      queue: string;
      jobId: string;
      nowMs: number;
      priority: number;
      delayMs: number;
      jobData: string;
    },
    number
  >(new URL('repair-job.lua', import.meta.url), { constants: JOB_CONSTANTS }),
};
