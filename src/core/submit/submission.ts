/**
 * From a draft to a message that is ready for the queue. Promises: every refusal says what would be accepted, and names
 * all that is wrong.
 */
import { type Chosen, chooseMailbox, type NotChosen } from './choose-mailbox.ts';
import type { Client } from './client.ts';
import type { Directory, Mailbox } from '../mailbox/mailbox.ts';
import { type ReadDraft, readDraft, type WrittenDraft } from '../message/draft.ts';
import { type FieldError, FieldErrors } from '../message/field-errors.ts';
import type { Idempotency } from '../message/idempotency.ts';
import { type Content, type Message, recipientsOf } from '../message/message.ts';
import {
  completeRaw,
  type RawDraft,
  readRawDraft,
  type ReadRawDraft,
  repeatOf,
  withoutFrom,
} from '../message/raw-draft.ts';
import type { HeaderValues } from '../message/raw-message.ts';
import { readSchedule, type Schedule } from '../message/schedule.ts';
import { estimateSizeBytes } from '../message/size.ts';

/** A message as its sender hands it over: in parts for relay365 to compose, or whole. */
export type Draft = ({ readonly kind: 'written' } & WrittenDraft) | ({ readonly kind: 'raw' } & RawDraft);

/** A message and its content, ready for the queue. */
export interface Submission {
  readonly message: Message;
  readonly content: Content;
  /** The mailboxes that may send it: one, or those of a pool. */
  readonly through: readonly Mailbox[];
  readonly client: Client;
  readonly idempotency?: Idempotency;
}

export type Refusal =
  | { readonly kind: 'invalid'; readonly errors: readonly FieldError[] }
  | { readonly kind: 'sender-not-allowed'; readonly errors: readonly FieldError[] }
  | { readonly kind: 'too-large'; readonly sizeBytes: number; readonly sizeBytesMax: number; readonly mailbox: string };

export type Checked = { readonly kind: 'ready'; readonly submission: Submission } | Refusal;

export interface PrepareDependencies {
  /** Asked for each message: mailboxes may come and go. */
  readonly directory: () => Directory;
  /** With a seed, the same id for the same seed. */
  readonly newId: (seed?: string) => string;
  readonly now: () => Date;
  /** How long a message is retried. */
  readonly messageTtlMs: number;
  readonly headerValues: HeaderValues;
}

/** Who asks, and which of several equal requests it is. */
export interface Asked {
  readonly client: Client;
  readonly idempotency?: Idempotency | undefined;
}

/** Checks all of a draft and makes it a message. */
export function prepare(draft: Draft, asked: Asked, dependencies: PrepareDependencies): Checked {
  const { directory, now, messageTtlMs } = dependencies;
  const acceptedAt = now();
  const { read, errors: draftErrors, repeat } = readAny(draft, asked.client, dependencies);
  const timeErrors = new FieldErrors();
  const schedule = readSchedule(draft, acceptedAt, messageTtlMs, timeErrors);
  const errors = [...draftErrors, ...timeErrors.all];
  const chosen = chooseMailbox(read, asked.client, directory());
  if (chosen.kind !== 'chosen') return refuse(errors, chosen);
  if (errors.length > 0) return { kind: 'invalid', errors };
  const idempotency = asked.idempotency ?? repeat;
  const of = {
    client: asked.client,
    acceptedAt,
    schedule,
    mailbox: chosen.mailbox,
    ...(idempotency && { idempotency }),
  };
  const submission = makeSubmission(read, of, dependencies);
  return tooLarge(submission, chosen.mailbox) ?? tooMany(submission) ?? { kind: 'ready', submission };
}

interface Read {
  readonly read: ReadDraft | ReadRawDraft;
  readonly errors: readonly FieldError[];
  /** How a repeat of the draft is known when its client does not mark it. */
  readonly repeat?: Idempotency | undefined;
}

function readAny(draft: Draft, client: Client, { directory, headerValues }: PrepareDependencies): Read {
  if (draft.kind === 'written') return readDraft(draft);
  const given = readRawDraft(draft, headerValues);
  const result =
    draft.foreignFrom === 'rewrite' ? rewriteFrom(given, chooseMailbox(given.read, client, directory())) : given;
  return { ...result, repeat: repeatOf(draft, result.read) };
}

type ReadRaw = ReturnType<typeof readRawDraft>;

/** Replaces a From that the client may not use by the mailbox's own address. */
function rewriteFrom({ read, errors }: ReadRaw, chosen: Chosen): ReadRaw {
  const others = errors.filter(({ field }) => field !== 'From' && field !== 'Sender');
  const isOurs = others.length === errors.length && chosen.kind === 'chosen';
  return isOurs ? { read, errors } : { read: withoutFrom(read), errors: others };
}

function tooLarge({ message: { sizeBytes } }: Submission, { id, limits }: Mailbox): Refusal | undefined {
  const { messageSizeBytesMax } = limits;
  if (sizeBytes <= messageSizeBytesMax) return undefined;
  return { kind: 'too-large', sizeBytes, sizeBytesMax: messageSizeBytesMax, mailbox: id };
}

/** It would wait until it expires, and block all messages behind it. */
function tooMany({ message, through }: Submission): Refusal | undefined {
  const count = recipientsOf(message).length;
  const limits = through.map(({ limits: { recipientsPerDay } }) => recipientsPerDay || Number.POSITIVE_INFINITY);
  const max = Math.max(...limits);
  if (count <= max) return undefined;
  const problem = `The message has ${count} recipients. Its mailbox is limited to ${max} recipients in 24 hours.`;
  return { kind: 'invalid', errors: [{ field: 'to', message: problem }] };
}

/** A sender that is not allowed is a refusal of its own only when nothing else is wrong. */
function refuse(errors: readonly FieldError[], { kind, errors: more }: NotChosen): Refusal {
  if (kind === 'sender-not-allowed' && errors.length === 0) return { kind, errors: more };
  return { kind: 'invalid', errors: [...errors, ...more] };
}

/** What becomes part of the message besides what the draft says. */
interface Accepted {
  readonly client: Client;
  readonly acceptedAt: Date;
  readonly schedule: Schedule;
  readonly mailbox: Mailbox;
  readonly idempotency?: Idempotency;
}

function makeSubmission(
  read: ReadDraft | ReadRawDraft,
  { client, acceptedAt, schedule, mailbox, idempotency }: Accepted,
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
 * The same for requests with the same key, so that two of them at once cannot become two messages. A key is kept for a day,
 * so the same key on another day is another request.
 */
function seedOf({ name }: Client, { key, index }: Idempotency, acceptedAt: Date): string {
  return JSON.stringify([name, key, index, Math.floor(acceptedAt.getTime() / DAY_MS)]);
}
