/**
 * The types of the tables in this folder: replies of Microsoft from public transcripts and its pages, the stage at which
 * each occurs, and how relay365 must classify it. They test `classify`, and the whole way from SMTP to the API.
 */
import type { Scope, Action } from '../../../../src/core/replies/classification.ts';
import type { Stage } from '../../../../src/core/replies/outcome.ts';

/** How a reply must be classified, and what a person must read. */
export interface Meaning {
  /** The row of the tables in src/core/replies that must match. */
  readonly rule: string;
  readonly scope: Scope;
  readonly action: Action;
  readonly explanation: RegExp;
  /** Unset: there is nothing to do. */
  readonly fix?: RegExp;
}

export interface RealReplies extends Meaning {
  /** The stage, and the text of the reply. */
  readonly said: readonly (readonly [Stage, string])[];
}

export interface RealCodes extends Meaning {
  readonly codes: readonly string[];
}

/** The bracket at the end of a refusal, which Microsoft's support asks for. */
export const TRACE = '[LO4P123CA0042.GBRP123.PROD.OUTLOOK.COM 2026-11-24T08:00:00.000Z 08DE2A3B4C5D6E7F]';
export const HOSTNAME = '[Hostname=LO4P123MB5678.GBRP123.PROD.OUTLOOK.COM]';
