/**
 * From a draft to an accepted message, whatever way it came in. Promises: a draft is either queued whole or not at
 * all, and every refusal says what would be accepted.
 */
import { type Client, maySendFrom, mayUseMailbox } from './client.ts';
import { type Draft, readDraft, type ReadDraft } from './draft.ts';
import type { FieldError } from './field-errors.ts';
import { type Directory, type Mailbox, maySendAs, ownerOf, poolAsMailbox } from './mailbox.ts';
import type { Content, Message } from './message.ts';
import { estimateSizeBytes } from './size.ts';

/** A message and its content, ready for the queue. */
export interface Submission {
  readonly message: Message;
  readonly content: Content;
  /** The mailboxes that it may go out through: one, or those of a pool. */
  readonly through: readonly Mailbox[];
}

export type EnqueueOutcome =
  | { readonly kind: 'queued'; readonly estimatedAt: Date }
  | { readonly kind: 'unavailable'; readonly cause: unknown };

/** Puts submissions into their mailboxes' queues; `queued` means that they survive whatever the queue survives. */
export type Enqueue = (submission: Submission) => Promise<EnqueueOutcome>;

export type SubmitOutcome =
  | { readonly kind: 'accepted'; readonly message: Message; readonly estimatedAt: Date }
  | { readonly kind: 'invalid'; readonly errors: readonly FieldError[] }
  | { readonly kind: 'sender-not-allowed'; readonly errors: readonly FieldError[] }
  | { readonly kind: 'too-large'; readonly sizeBytes: number; readonly sizeBytesMax: number; readonly mailbox: string }
  | { readonly kind: 'unavailable'; readonly cause: unknown };

export type Submit = (draft: Draft, client: Client) => Promise<SubmitOutcome>;

export interface SubmitDependencies {
  /** Asked for each message: mailboxes may come and go. */
  readonly directory: () => Directory;
  readonly enqueue: Enqueue;
  readonly newId: () => string;
  readonly now: () => Date;
  /** How long a message is retried. */
  readonly messageTtlMs: number;
}

export function createSubmit(dependencies: SubmitDependencies): Submit {
  return async (draft, client) => {
    const { read, errors } = readDraft(draft);
    const chosen = chooseMailbox(read, client, dependencies.directory());
    if (chosen.kind !== 'chosen') return refuse(errors, chosen);
    if (errors.length > 0) return { kind: 'invalid', errors };
    const submission = makeSubmission(read, chosen.mailbox, client.name, dependencies);
    const { sizeBytes } = submission.message;
    const { id: mailbox, limits } = chosen.mailbox;
    if (sizeBytes > limits.messageSizeBytesMax) {
      return { kind: 'too-large', sizeBytes, sizeBytesMax: limits.messageSizeBytesMax, mailbox };
    }
    const outcome = await dependencies.enqueue(submission);
    if (outcome.kind === 'unavailable') return outcome;
    return { kind: 'accepted', message: submission.message, estimatedAt: outcome.estimatedAt };
  };
}

type NotChosen = { readonly kind: 'unknown' | 'sender-not-allowed'; readonly errors: readonly FieldError[] };
type Chosen = { readonly kind: 'chosen'; readonly mailbox: Mailbox } | NotChosen;

/** A sender that is not allowed is a refusal of its own only when nothing else is wrong. */
function refuse(errors: readonly FieldError[], { kind, errors: more }: NotChosen): SubmitOutcome {
  if (kind === 'sender-not-allowed' && errors.length === 0) return { kind, errors: more };
  return { kind: 'invalid', errors: [...errors, ...more] };
}

function chooseMailbox(read: ReadDraft, client: Client, { mailboxes, pools }: Directory): Chosen {
  const allowed = (mailbox: Mailbox) => mayUseMailbox(client, mailbox.id);
  const own = mailboxes.filter(allowed);
  const named = read.mailbox?.toLowerCase();
  const known = [...own, ...pools.map(poolAsMailbox).filter(allowed)];
  const asked = named === undefined ? undefined : known.find(({ id }) => id === named);
  if (named !== undefined && !asked) return unknownMailbox(known);
  const from = read.from?.address;
  const mailbox = asked ?? (from === undefined ? own[0] : ownerOf(own, from));
  if (!mailbox || (from !== undefined && !maySendAs(mailbox, from))) return senderNotAllowed(asked ? [asked] : own);
  return maySendFrom(client, from ?? mailbox.address) ? { kind: 'chosen', mailbox } : keyNotAllowed(client);
}

function unknownMailbox(mailboxes: readonly Mailbox[]): Chosen {
  const message = `No such mailbox; there are: ${mailboxes.map(({ id }) => id).join(', ')}.`;
  return { kind: 'unknown', errors: [{ field: 'mailbox', message }] };
}

function senderNotAllowed(mailboxes: readonly Mailbox[]): Chosen {
  const allowed = mailboxes.flatMap(({ address, sendAs }) => [address, ...sendAs]);
  const message = `No mailbox here may send as this address. Leave from out, or use one of: ${allowed.join(', ')}.`;
  return { kind: 'sender-not-allowed', errors: [{ field: 'from', message }] };
}

function keyNotAllowed({ senders = [] }: Client): Chosen {
  const message = `This API key may not send as this address, but as: ${senders.join(', ')}.`;
  return { kind: 'sender-not-allowed', errors: [{ field: 'from', message }] };
}

function makeSubmission(
  read: ReadDraft,
  mailbox: Mailbox,
  client: string,
  dependencies: SubmitDependencies,
): Submission {
  const { content, mailbox: _asked, ...rest } = read;
  const id = dependencies.newId();
  const acceptedAt = dependencies.now();
  const from = read.from ?? { address: mailbox.address };
  const pool = dependencies.directory().pools.find(({ name }) => name === mailbox.id);
  const message: Message = {
    ...rest,
    id,
    client,
    mailbox: mailbox.id,
    ...(pool && { pool: pool.name }),
    messageId: `<${id}@${from.address.slice(from.address.lastIndexOf('@') + 1)}>`,
    from,
    acceptedAt,
    expiresAt: new Date(acceptedAt.getTime() + dependencies.messageTtlMs),
    sizeBytes: estimateSizeBytes(read, content),
  };
  return { message, content, through: pool?.members ?? [mailbox] };
}
