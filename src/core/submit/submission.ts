/**
 * From a draft to a message that is ready for the queue. Promises: every refusal says what would be accepted, and names
 * all that is wrong.
 */
import { type Client, maySendFrom, mayUseMailbox } from './client.ts';
import { type Draft, readDraft, type ReadDraft } from '../message/draft.ts';
import type { Idempotency } from '../message/idempotency.ts';
import {
  completeRaw,
  type RawDraft,
  readRawDraft,
  type ReadRawDraft,
  repeatOf,
  withoutFrom,
} from '../message/raw-draft.ts';
import type { HeaderValues } from '../message/raw-message.ts';
import { type FieldError, FieldErrors } from '../message/field-errors.ts';
import { type Directory, type Mailbox, maySendAs, ownerOf, poolAsMailbox } from '../mailbox/mailbox.ts';
import { type Content, type Message, recipientsOf } from '../message/message.ts';
import { readSchedule, type Schedule, type ScheduleDraft } from '../message/schedule.ts';
import { estimateSizeBytes } from '../message/size.ts';

/** A message and its content, ready for the queue. */
export interface Submission {
  readonly message: Message;
  readonly content: Content;
  /** The mailboxes that it may go out through: one, or those of a pool. */
  readonly through: readonly Mailbox[];
  readonly client: Client;
  readonly idempotency?: Idempotency;
}

export type Refusal =
  | { readonly kind: 'invalid'; readonly errors: readonly FieldError[] }
  | { readonly kind: 'sender-not-allowed'; readonly errors: readonly FieldError[] }
  | { readonly kind: 'too-large'; readonly sizeBytes: number; readonly sizeBytesMax: number; readonly mailbox: string };

export type Prepared = { readonly kind: 'prepared'; readonly submission: Submission } | Refusal;

export type Prepare = (draft: Draft, client: Client, idempotency?: Idempotency) => Prepared;

export type PrepareRaw = (draft: RawDraft, client: Client, idempotency?: Idempotency) => Prepared;

export interface PrepareDependencies {
  /** Asked for each message: mailboxes may come and go. */
  readonly directory: () => Directory;
  /** With a seed, the same id for the same seed. */
  readonly newId: (seed?: string) => string;
  readonly now: () => Date;
  /** How long a message is retried. */
  readonly messageTtlMs: number;
}

export type PrepareRawDependencies = PrepareDependencies & { readonly headerValues: HeaderValues };

export function createPrepare(dependencies: PrepareDependencies): Prepare {
  return (draft, client, idempotency) => {
    const { read, errors } = readDraft(draft);
    return finish(read, errors, draft, { client, ...(idempotency && { idempotency }) }, dependencies);
  };
}

export function createPrepareRaw(dependencies: PrepareRawDependencies): PrepareRaw {
  return (draft, client, idempotency) => {
    const given = readRawDraft(draft, dependencies.headerValues);
    const { read, errors } =
      draft.foreignFrom === 'rewrite' ? rewriteFrom(given, client, dependencies.directory()) : given;
    const mark = idempotency ?? repeatOf(draft, read);
    return finish(read, errors, draft, { client, ...(mark && { idempotency: mark }) }, dependencies);
  };
}

type ReadRaw = ReturnType<typeof readRawDraft>;

/** A From that can not be sent from gives way to the mailbox's own. */
function rewriteFrom({ read, errors }: ReadRaw, client: Client, directory: Directory): ReadRaw {
  const others = errors.filter(({ field }) => field !== 'From' && field !== 'Sender');
  const isOurs = others.length === errors.length && chooseMailbox(read, client, directory).kind === 'chosen';
  return isOurs ? { read, errors } : { read: withoutFrom(read), errors: others };
}

/** What is common to all drafts: the mailbox that sends, the times, the size. */
function finish(
  read: ReadDraft | ReadRawDraft,
  draftErrors: readonly FieldError[],
  times: ScheduleDraft,
  asked: Omit<Asked, 'acceptedAt'>,
  dependencies: PrepareDependencies,
): Prepared {
  const acceptedAt = dependencies.now();
  const timeErrors = new FieldErrors();
  const schedule = readSchedule(times, acceptedAt, dependencies.messageTtlMs, timeErrors);
  const errors = [...draftErrors, ...timeErrors.all];
  const chosen = chooseMailbox(read, asked.client, dependencies.directory());
  if (chosen.kind !== 'chosen') return refuse(errors, chosen);
  if (errors.length > 0) return { kind: 'invalid', errors };
  const submission = makeSubmission(read, schedule, chosen.mailbox, { ...asked, acceptedAt }, dependencies);
  return tooLarge(submission, chosen.mailbox) ?? tooMany(submission) ?? { kind: 'prepared', submission };
}

/** Who asks, when, and which of several equal requests it is. */
interface Asked {
  readonly client: Client;
  readonly acceptedAt: Date;
  readonly idempotency?: Idempotency;
}

function tooLarge({ message: { sizeBytes } }: Submission, { id, limits }: Mailbox): Refusal | undefined {
  const { messageSizeBytesMax } = limits;
  if (sizeBytes <= messageSizeBytesMax) return undefined;
  return { kind: 'too-large', sizeBytes, sizeBytesMax: messageSizeBytesMax, mailbox: id };
}

/** It would wait for room until its time is over, and all others behind it. */
function tooMany({ message, through }: Submission): Refusal | undefined {
  const count = recipientsOf(message).length;
  const limits = through.map(({ limits: { recipientsPerDay } }) => recipientsPerDay || Number.POSITIVE_INFINITY);
  const max = Math.max(...limits);
  if (count <= max) return undefined;
  const problem = `There are ${count} recipients, and the mailbox may have ${max} in a day.`;
  return { kind: 'invalid', errors: [{ field: 'to', message: problem }] };
}

type NotChosen = { readonly kind: 'unknown' | 'sender-not-allowed'; readonly errors: readonly FieldError[] };
type Chosen = { readonly kind: 'chosen'; readonly mailbox: Mailbox } | NotChosen;

/** A sender that is not allowed is a refusal of its own only when nothing else is wrong. */
function refuse(errors: readonly FieldError[], { kind, errors: more }: NotChosen): Refusal {
  if (kind === 'sender-not-allowed' && errors.length === 0) return { kind, errors: more };
  return { kind: 'invalid', errors: [...errors, ...more] };
}

function chooseMailbox(
  read: Pick<ReadDraft, 'from' | 'mailbox'>,
  client: Client,
  { mailboxes, pools }: Directory,
): Chosen {
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
  read: ReadDraft | ReadRawDraft,
  schedule: Schedule,
  mailbox: Mailbox,
  { client, idempotency, acceptedAt }: Asked,
  { newId, directory }: PrepareDependencies,
): Submission {
  const id = newId(idempotency && seedOf(client, idempotency, acceptedAt));
  const from = read.from ?? { ...nameOf(read), address: mailbox.address };
  const pool = directory().pools.find(({ name }) => name === mailbox.id);
  const { content, messageId, sizeBytes, fields } = contentOf(read, { id, from, acceptedAt });
  const message: Message = {
    ...fields,
    ...schedule,
    id,
    client: client.name,
    mailbox: mailbox.id,
    ...(pool && { pool: pool.name }),
    messageId,
    from,
    acceptedAt,
    sizeBytes,
  };
  const through = pool?.members ?? [mailbox];
  return { message, content, through, client, ...(idempotency && { idempotency }) };
}

function nameOf(read: ReadDraft | ReadRawDraft): { readonly name?: string } {
  return 'fromName' in read && read.fromName !== undefined ? { name: read.fromName } : {};
}

/** The content as it is kept, and what follows from it. */
function contentOf(read: ReadDraft | ReadRawDraft, of: Pick<Message, 'id' | 'from' | 'acceptedAt'>) {
  const messageId = `<${of.id}@${of.from.address.slice(of.from.address.lastIndexOf('@') + 1)}>`;
  if ('raw' in read) {
    const { raw, mailbox: _asked, fromName: _name, ...fields } = read;
    const content = completeRaw(raw, { ...of, messageId });
    const sizeBytes = Buffer.byteLength(content.added ?? '') + content.raw.length;
    return { content, messageId: raw.message.messageId ?? messageId, sizeBytes, fields };
  }
  const { content, mailbox: _asked, ...fields } = read;
  return { content, messageId, sizeBytes: estimateSizeBytes(read, content), fields };
}

const DAY_MS = 86_400_000;

/**
 * The same for requests with the same key, so that two of them at once can't be two messages. A key is kept for a day,
 * so the same key on another day is another request.
 */
function seedOf({ name }: Client, { key, index }: Idempotency, acceptedAt: Date): string {
  return JSON.stringify([name, key, index, Math.floor(acceptedAt.getTime() / DAY_MS)]);
}
