/**
 * From a draft to an accepted message, whatever way it came in. Promises: a draft is either queued whole or not at
 * all, and of several requests with the same Idempotency-Key one counts.
 */
import type { Client } from './client.ts';
import type { Draft } from '../message/draft.ts';
import type { Idempotency } from '../message/idempotency.ts';
import type { Message } from '../message/message.ts';
import type { RawDraft } from '../message/raw-draft.ts';
import {
  createPrepare,
  createPrepareRaw,
  type PrepareDependencies,
  type Prepared,
  type PrepareRawDependencies,
  type Refusal,
  type Submission,
} from './submission.ts';

export type EnqueueOutcome =
  | { readonly kind: 'queued'; readonly estimatedAt: Date }
  /** The key was used before, for the same request: `message` is the one that was queued then. */
  | { readonly kind: 'replayed'; readonly message: Message; readonly estimatedAt: Date }
  /** The key was used before, for another request. */
  | { readonly kind: 'key-reused' }
  | QueueFull
  /** It was not queued. */
  | { readonly kind: 'unavailable'; readonly cause: unknown }
  /** The answer is lost, so nobody knows whether it was queued. */
  | { readonly kind: 'unanswered'; readonly cause: unknown };

/** The queue has as much as it may have: in all, or of this client. */
export interface QueueFull {
  readonly kind: 'full';
  readonly of: 'all' | 'client';
  /** What there is too much of, for a person. */
  readonly detail: string;
}

/** Puts a submission into its mailbox's queue; `queued` means that it survives whatever the queue survives. */
export type Enqueue = (submission: Submission) => Promise<EnqueueOutcome>;

/** Puts all of them into their queues, or none. The outcomes are in the submissions' order. */
export type EnqueueAll = (submissions: readonly Submission[]) => Promise<readonly EnqueueOutcome[]>;

export type SubmitOutcome =
  | {
      readonly kind: 'accepted';
      readonly message: Message;
      readonly estimatedAt: Date;
      /** It had been accepted before, by the same Idempotency-Key. */
      readonly replayed: boolean;
    }
  | Refusal
  | Exclude<EnqueueOutcome, { kind: 'queued' | 'replayed' }>;

export type Submit = (draft: Draft, client: Client, idempotency?: Idempotency) => Promise<SubmitOutcome>;

/** The same for a ready mail. */
export type SubmitRaw = (draft: RawDraft, client: Client, idempotency?: Idempotency) => Promise<SubmitOutcome>;

/** Judges each draft alone; the outcomes are in the drafts' order. */
export type SubmitAll = (
  drafts: readonly Draft[],
  client: Client,
  idempotency?: Idempotency,
) => Promise<readonly SubmitOutcome[]>;

interface Queue {
  readonly enqueue: Enqueue;
}

export function createSubmit(dependencies: PrepareDependencies & Queue): Submit {
  return submitPrepared(createPrepare(dependencies), dependencies);
}

export function createSubmitRaw(dependencies: PrepareRawDependencies & Queue): SubmitRaw {
  return submitPrepared(createPrepareRaw(dependencies), dependencies);
}

function submitPrepared<D>(
  prepare: (draft: D, client: Client, idempotency?: Idempotency) => Prepared,
  { enqueue }: Queue,
): (draft: D, client: Client, idempotency?: Idempotency) => Promise<SubmitOutcome> {
  return async (draft, client, idempotency) => {
    const prepared = prepare(draft, client, idempotency);
    if (prepared.kind !== 'prepared') return prepared;
    return outcomeOf(prepared.submission, await enqueue(prepared.submission));
  };
}

export function createSubmitAll(dependencies: PrepareDependencies & { readonly enqueueAll: EnqueueAll }): SubmitAll {
  const prepare = createPrepare(dependencies);
  return async (drafts, client, idempotency) => {
    const prepared = drafts.map((draft, index) => prepare(draft, client, idempotency && { ...idempotency, index }));
    const submissions = prepared.flatMap((one) => (one.kind === 'prepared' ? [one.submission] : []));
    const outcomes = await dependencies.enqueueAll(submissions);
    const left = submissions.map((submission, i) => [submission, outcomes[i]] as const).values();
    return prepared.map((one) => {
      if (one.kind !== 'prepared') return one;
      const [submission = one.submission, outcome] = left.next().value ?? [];
      return outcomeOf(submission, outcome ?? { kind: 'unavailable', cause: new Error('The queue gave no answer.') });
    });
  };
}

function outcomeOf({ message }: Submission, outcome: EnqueueOutcome): SubmitOutcome {
  switch (outcome.kind) {
    case 'queued':
      return { kind: 'accepted', message, estimatedAt: outcome.estimatedAt, replayed: false };
    case 'replayed':
      return { kind: 'accepted', message: outcome.message, estimatedAt: outcome.estimatedAt, replayed: true };
    default:
      return outcome;
  }
}
