/**
 * The shape of the tables beside this file: what Microsoft says in public transcripts and on its pages, where it says
 * so, and what relay365 must make of it. The classify is tested with them, and the whole way from the wire to the API.
 */
import type { Scope, Action } from '../../../../src/core/replies/classification.ts';
import type { Stage } from '../../../../src/core/replies/outcome.ts';

/** What a person must be told. */
export interface Meaning {
  /** The row of src/core's table that must decide. */
  readonly rule: string;
  readonly scope: Scope;
  readonly action: Action;
  readonly explanation: RegExp;
  /** Unset: there is nothing to do. */
  readonly fix?: RegExp;
}

export interface RealReplies extends Meaning {
  /** Where Exchange says it, and its words. */
  readonly said: readonly (readonly [Stage, string])[];
}

export interface RealCodes extends Meaning {
  readonly codes: readonly string[];
}

/** The bracket at the end of a refusal, which Microsoft's support asks for. */
export const TRACE = '[LO4P123CA0042.GBRP123.PROD.OUTLOOK.COM 2026-11-24T08:00:00.000Z 08DE2A3B4C5D6E7F]';
export const HOSTNAME = '[Hostname=LO4P123MB5678.GBRP123.PROD.OUTLOOK.COM]';
