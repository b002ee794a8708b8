/** The Lua script that takes messages in, all of them in one atomic step. */
import { JOB_CONSTANTS } from '../jobs/job-constants.ts';
import { luaScript } from '../redis/lua.ts';

/** What a message of an accept consists of: accept.lua says more. */
export type AcceptedMessage = Readonly<{
  id: string;
  content: string | Buffer;
  acceptedAtMs: number;
  expiresAtMs: number;
  client: string;
  queue: string;
  status: string;
  message: string;
  recipients: string;
  priority: number;
  delayMs: number;
  jobData: string;
  idempotencyKey: string;
  requestKey: string;
  digest: string;
  keptMs: number;
  latestMs: number;
}>;

/** The result for one message of an accept. */
export type AcceptAnswer =
  | readonly ['written', high: number, normal: number, low: number, underWay: number]
  | readonly ['late']
  | readonly ['used', ...hash: string[]]
  | readonly ['other'];

export const ACCEPT_SCRIPTS = {
  accept: luaScript<
    { index: string },
    { prefix: string; messages: readonly AcceptedMessage[] },
    readonly [redisMs: number, ...answers: AcceptAnswer[]]
  >(new URL('accept.lua', import.meta.url), { constants: JOB_CONSTANTS }),
};
