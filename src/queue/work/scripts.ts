/**
 * The Lua scripts of an attempt: each is one atomic step from its claim to its result. Besides the keys that a script is
 * given it uses keys under the same prefix, and so in the same slot of a cluster: see keys.ts.
 */
import {
  type AdmitArgs,
  type AdmitKeys,
  LEASE_CONSTANTS,
  type SettleArgs,
  type ThrottleKeys,
} from '../limits/scripts.ts';
import type { Found } from '../records/codec.ts';
import { luaScript } from '../redis/lua.ts';

type RecordKeys = { record: string; body: string };

export type ClaimAnswer = readonly [
  admission: readonly [reason: Buffer, waitMs: number],
  fields?: Found<readonly Buffer[]>,
  body?: Found<Buffer | number | null>,
];

/** An attempt's result, as finish.lua and complete.lua take it. */
export type FinishArgs = {
  prefix: string;
  id: string;
  token: string;
  attempt: string;
  recipients: string;
  status: string;
  nextAttemptAtMs: number | '';
  finishedAtMs: number | '';
  retentionMs: number;
};

export const WORK_SCRIPTS = {
  claim: luaScript<
    RecordKeys & AdmitKeys,
    { prefix: string; id: string; nowMs: number; token: string; through: string } & AdmitArgs,
    ClaimAnswer
    // A body is not text.
  >(new URL('claim.lua', import.meta.url), { constants: LEASE_CONSTANTS, isBinary: true }),
  markFinalDot: luaScript<{ record: string }, { token: string; nowMs: number }, number>(
    new URL('mark-final-dot.lua', import.meta.url),
  ),
  noteInterrupted: luaScript<{ record: string }, { attempt: string }, number>(
    new URL('note-interrupted.lua', import.meta.url),
  ),
  finish: luaScript<RecordKeys, FinishArgs, number>(new URL('finish.lua', import.meta.url)),
  complete: luaScript<RecordKeys & ThrottleKeys, FinishArgs & SettleArgs, number>(
    new URL('complete.lua', import.meta.url),
  ),
};
