/**
 * How a message, its content and its state are written to Redis and read again. What comes back is checked: a record that
 * another version or a person has damaged becomes an error that names it, and never a wrong mail.
 */
import type { OpenAttempt } from '../../core/deliver/without-attempt.ts';
import type {
  Attempt,
  Content,
  Message,
  MessageState,
  MessageStatus,
  RecipientState,
} from '../../core/message/message.ts';
import { MESSAGE_STATUSES, RECIPIENT_STATUSES, recipientsOf, sendThrough } from '../../core/message/message.ts';
import { PRIORITIES } from '../jobs/priorities.ts';

/** The fields of a record's hash. An attempt is a field of its own: `attempt:1`, `attempt:2`, … */
export type RecordFields = Readonly<Record<string, string>>;

export interface StoredMessage {
  readonly message: Message;
  readonly state: MessageState;
  readonly jobId: string;
}

/** A record or a body that cannot be read. */
export class CorruptRecordError extends Error {
  override readonly name = 'CorruptRecordError';
}

/** For a key of another type, Redis's answer is an error. */
export type Found<Value> = Value | Error;

/** @throws CorruptRecordError when the key has another type. */
export function readFound<Value>(found: Found<Value>): Value {
  if (found instanceof Error) throw asCorrupt(found);
  return found;
}

/** A key of another type than it should be is corrupt, like one that holds nonsense. Other errors stay as they are. */
export function asCorrupt(cause: Error): Error {
  if (!cause.message.startsWith('WRONGTYPE')) return cause;
  return new CorruptRecordError('It is of another type than it should be.', { cause });
}

/** The fields of a hash, from Redis's flat answer. */
export function toFields(flat: readonly Buffer[]): RecordFields {
  const fields: Record<string, string> = Object.create(null) as Record<string, string>;
  for (let i = 0; i + 1 < flat.length; i += 2) fields[String(flat[i])] = String(flat[i + 1]);
  return fields;
}

export function encodeMessage(message: Message): string {
  return JSON.stringify(message);
}

/** JSON, which begins with a brace. A raw message is kept as it is, after a sign that JSON cannot begin with. */
export function encodeContent(content: Content): string | Buffer {
  if (!('raw' in content)) return JSON.stringify(content);
  return Buffer.concat([RAW_SIGN, Buffer.from(content.added ?? ''), content.raw]);
}

export function decodeContent(bytes: Buffer): Content {
  if (bytes.subarray(0, RAW_SIGN.length).equals(RAW_SIGN)) return { raw: bytes.subarray(RAW_SIGN.length) };
  return parseObject(bytes.toString('utf8'), 'body') as unknown as Content;
}

const RAW_SIGN = Buffer.from('raw:');

/** Reads the hash of this message's record; undefined when there is no record. */
export function decodeRecord(id: string, fields: RecordFields): StoredMessage | undefined {
  if (fields['message'] === undefined) return undefined;
  const message = throughMailbox(decodeMessage(fields['message']), fields['through']);
  if (message.id !== id) throw new CorruptRecordError('The record is of another message.');
  const state = decodeState(fields);
  checkRecipients(message, state);
  return { message, state, jobId: fields['ticket'] ?? message.id };
}

/** The attempt that a worker left open when it died; undefined when no attempt is open. */
export function decodeOpenAttempt({ openAt, finalDotAt }: RecordFields): OpenAttempt | undefined {
  if (openAt === undefined) return undefined;
  return { startedAt: date(Number(openAt)), finalDotMarked: finalDotAt !== undefined };
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}

function isAddressList(value: unknown): boolean {
  return Array.isArray(value) && value.every((one) => isText(one?.address) && isText(one.name ?? ''));
}

/** Only recipients that the message names may get it, whatever else the record says. */
function checkRecipients(message: Message, { recipients }: MessageState): void {
  const named = new Set(recipientsOf(message));
  if (!recipients.every(({ address }) => named.has(address)))
    throw new CorruptRecordError('The list of recipients has one whom the message does not name.');
}

function decodeMessage(json: string): Message {
  const raw = parseObject(json, 'message');
  const { id, client, mailbox, pool = '', messageId, subject, acceptedAt, sendAt, expiresAt, envelopeTo = [] } = raw;
  if (![id, client, mailbox, pool, messageId, subject].every(isText))
    throw new CorruptRecordError('The record has no id, client, mailbox, Message-ID or subject.');
  if (!Object.hasOwn(PRIORITIES, String(raw['priority']))) throw new CorruptRecordError('The record has no priority.');
  if (![[raw['from']], raw['to'], raw['cc'], raw['bcc']].every(isAddressList))
    throw new CorruptRecordError('The record has no sender or recipients.');
  if (!Array.isArray(envelopeTo) || !envelopeTo.every(isText))
    throw new CorruptRecordError('The envelope is not a list of addresses.');
  return {
    ...(raw as unknown as Message),
    acceptedAt: date(acceptedAt),
    ...(sendAt !== undefined && { sendAt: date(sendAt) }),
    expiresAt: date(expiresAt),
  };
}

/** A message to a pool belongs to a mailbox once that mailbox has tried it. */
function throughMailbox(message: Message, through: string | undefined): Message {
  if (message.pool === undefined || through === undefined) return message;
  return sendThrough(message, decodeMailbox(through));
}

/** The mailbox that a message goes through, as its record names it. */
export function encodeMailbox({ id, address }: { readonly id: string; readonly address: string }): string {
  return JSON.stringify({ id, address });
}

export function decodeMailbox(json: string): { readonly id: string; readonly address: string } {
  const { id, address } = parseObject(json, 'mailbox');
  return { id: String(id), address: String(address) };
}

function decodeState(fields: RecordFields): MessageState {
  const { nextAttemptAt, finishedAt, retriedAt } = fields;
  return {
    status: decodeStatus(fields['status']),
    attempts: decodeAttempts(fields),
    recipients: decodeRecipients(fields['recipients'] ?? '[]'),
    ...(nextAttemptAt && { nextAttemptAt: date(Number(nextAttemptAt)) }),
    ...(finishedAt && { finishedAt: date(Number(finishedAt)) }),
    ...(retriedAt && { retriedAt: date(Number(retriedAt)) }),
  };
}

function decodeRecipients(json: string): RecipientState[] {
  const recipients: unknown = parseObject(json, 'list of recipients');
  if (!Array.isArray(recipients)) throw new CorruptRecordError('The list of recipients is not a list.');
  if (!recipients.every((one) => isText(one?.address) && RECIPIENT_STATUSES.includes(one.status)))
    throw new CorruptRecordError('The list of recipients has one without address or status.');
  return recipients as RecipientState[];
}

function decodeStatus(status: string | undefined): MessageStatus {
  const known = MESSAGE_STATUSES.find((candidate) => candidate === status);
  if (!known) throw new CorruptRecordError(`The record has the unknown status ${JSON.stringify(status)}.`);
  return known;
}

function decodeAttempts(fields: RecordFields): Attempt[] {
  // Redis could not count on, and the outcome of a sent message would be lost.
  if (!/^\d{0,9}$/.test(fields['attempts'] ?? ''))
    throw new CorruptRecordError('The number of attempts is not a number.');
  const attempts: Attempt[] = [];
  for (let n = 1; fields[`attempt:${n}`] !== undefined; n += 1) {
    const raw = parseObject(fields[`attempt:${n}`] ?? '', 'attempt');
    if (!isText(raw['outcome']) || !isText(raw['explanation']) || !Number.isFinite(raw['durationMs']))
      throw new CorruptRecordError('An attempt has no outcome, explanation or duration.');
    attempts.push({ ...(raw as unknown as Attempt), at: date(raw['at']) });
  }
  return attempts;
}

function parseObject(json: string, what: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(json);
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  } catch (cause) {
    throw new CorruptRecordError(`The ${what} is not JSON.`, { cause });
  }
  throw new CorruptRecordError(`The ${what} is not an object.`);
}

function date(value: unknown): Date {
  const parsed = new Date(value as string | number);
  if (Number.isNaN(parsed.getTime())) throw new CorruptRecordError(`${JSON.stringify(value)} is not a date.`);
  return parsed;
}
