/**
 * All that HTTP and SMTP need of the queue's side. Promises: a draft is either queued whole or not at all, and of several
 * requests with the same Idempotency-Key one counts.
 */
import type { Client } from './client.ts';
import {
  type Checked,
  type Draft,
  prepare,
  type PrepareDependencies,
  type Refusal,
  type Submission,
} from './submission.ts';
import type { Idempotency } from '../message/idempotency.ts';
import type { Message } from '../message/message.ts';

export interface Outbox {
  /** Queues a message, or says all that is wrong with it. */
  submit(draft: Draft, client: Client, idempotency?: Idempotency): Promise<SubmitOutcome>;
  /**
   * Queues those that are right, all of them or none; the outcomes are in the drafts' order. They share a key: each is
   * known by its place in the batch.
   */
  submitBatch(drafts: readonly Draft[], client: Client, idempotency?: Idempotency): Promise<readonly SubmitOutcome[]>;
  /** What `submit` would say; queues nothing. */
  check(draft: Draft, client: Client): Checked;
}

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

/** Puts all of them into their queues, or none. The outcomes are in the submissions' order. */
export type EnqueueAll = (submissions: readonly Submission[]) => Promise<readonly EnqueueOutcome[]>;

export type EnqueueOutcome =
  /** It survives whatever the queue survives. */
  | { readonly kind: 'queued'; readonly estimatedAt: Date }
  /** The key was used before, for the same request: `message` is the one that was queued then. */
  | { readonly kind: 'replayed'; readonly message: Message; readonly estimatedAt: Date }
  /** The key was used before, for another request. */
  | { readonly kind: 'key-reused' }
  | QueueFull
  /** It was not queued. */
  | { readonly kind: 'unavailable'; readonly cause: unknown }
  /** The answer is lost: it may be queued or not. */
  | { readonly kind: 'unanswered'; readonly cause: unknown };

/** A limit of the queue is reached: of all messages, or of this client's. */
export interface QueueFull {
  readonly kind: 'full';
  readonly of: 'all' | 'client';
  /** Which limit, for a person. */
  readonly detail: string;
}

export interface OutboxDependencies extends PrepareDependencies {
  readonly enqueueAll: EnqueueAll;
  /** Called for each message that was queued, and not for a replayed one. */
  readonly onAccepted: (message: Message) => void;
}

export function createOutbox(dependencies: OutboxDependencies): Outbox {
  const check = (draft: Draft, client: Client, idempotency?: Idempotency) =>
    prepare(draft, { client, idempotency }, dependencies);
  return {
    check: (draft, client) => check(draft, client),
    submit: async (draft, client, idempotency) => {
      const [outcome = noAnswer()] = await enqueue([check(draft, client, idempotency)], dependencies);
      return outcome;
    },
    submitBatch: (drafts, client, idempotency) => {
      const keyOf = (index: number) => idempotency && { ...idempotency, index };
      return enqueue(
        drafts.map((draft, index) => check(draft, client, keyOf(index))),
        dependencies,
      );
    },
  };
}

async function enqueue(
  drafts: readonly Checked[],
  { enqueueAll, onAccepted }: OutboxDependencies,
): Promise<readonly SubmitOutcome[]> {
  const submissions = drafts.flatMap((draft) => (draft.kind === 'ready' ? [draft.submission] : []));
  const outcomes = await enqueueAll(submissions);
  const outcomeOf = new Map(submissions.map((submission, i) => [submission, outcomes[i]]));
  return drafts.map((draft) => {
    if (draft.kind !== 'ready') return draft;
    const { message } = draft.submission;
    const outcome = outcomeOf.get(draft.submission) ?? noAnswer();
    if (outcome.kind === 'queued') onAccepted(message);
    return submitOutcome(message, outcome);
  });
}

function submitOutcome(message: Message, outcome: EnqueueOutcome): SubmitOutcome {
  switch (outcome.kind) {
    case 'queued':
      return { kind: 'accepted', message, estimatedAt: outcome.estimatedAt, replayed: false };
    case 'replayed':
      return { kind: 'accepted', message: outcome.message, estimatedAt: outcome.estimatedAt, replayed: true };
    default:
      return outcome;
  }
}

function noAnswer(): Extract<EnqueueOutcome, { kind: 'unavailable' }> {
  return { kind: 'unavailable', cause: new Error('The queue gave no answer.') };
}
