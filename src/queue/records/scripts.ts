/**
 * The Lua scripts that change a record: each is one atomic step of a message's life. They keep the indexes and the
 * count of unfinished messages along with the status, so that none of them can drift from it. Besides the keys that a
 * script is given it uses keys under the same prefix, and so in the same slot of a cluster: see keys.ts.
 */
import { JOB_CONSTANTS } from '../jobs/job-constants.ts';
import { luaScript } from '../redis/lua.ts';

type RecordKeys = { record: string; body: string };

export const RECORD_SCRIPTS = {
  endIdle: luaScript<
    RecordKeys,
    {
      prefix: string;
      id: string;
      attempt: string;
      recipients: string;
      status: string;
      finishedAtMs: number;
      retentionMs: number;
    },
    number
  >(new URL('end-idle.lua', import.meta.url)),
  retry: luaScript<
    RecordKeys,
    {
      prefix: string;
      id: string;
      message: string;
      recipients: string;
      expiresAtMs: number;
      queue: string;
      jobId: string;
      priority: number;
      jobData: string;
    },
    number
  >(new URL('retry.lua', import.meta.url), { constants: JOB_CONSTANTS }),
};
