/**
 * What a message is: the small part that is listed and logged (`Message`), the large part that only a worker needs
 * (`Content`), and what has happened to it so far (`MessageState`).
 */
import { type Address, addressKey } from './address.ts';

export type Level = 'high' | 'normal' | 'low';

/** The lifecycle in order; the last four are final. */
export const MESSAGE_STATUSES = [
  'scheduled',
  'queued',
  'sending',
  'deferred',
  'held',
  'sent',
  'failed',
  'expired',
  'canceled',
] as const;
export type MessageStatus = (typeof MESSAGE_STATUSES)[number];
export const FINAL_STATUSES = ['sent', 'failed', 'expired', 'canceled'] as const satisfies readonly MessageStatus[];

/** What is known of an accepted message without its content. Never changes after the accept. */
export interface Message {
  readonly id: string;
  /** The name of the API key that sent it. */
  readonly client: string;
  /** The id of the mailbox that sends it; of a message to a pool, the pool's name until a mailbox is chosen. */
  readonly mailbox: string;
  /** The pool whose queue it is in, if it is not its mailbox's. */
  readonly pool?: string;
  /** The Message-ID header with its angle brackets, fixed at accept: every attempt sends the same. */
  readonly messageId: string;
  readonly from: Address;
  readonly to: readonly Address[];
  readonly cc: readonly Address[];
  readonly bcc: readonly Address[];
  /** The envelope's recipients, where they differ from to, cc and bcc. */
  readonly envelopeTo?: readonly string[];
  readonly subject: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly priority: Level;
  readonly acceptedAt: Date;
  /** Not sent before then; unset: at once. */
  readonly sendAt?: Date;
  /** When relay365 stops trying. */
  readonly expiresAt: Date;
  /** The size of the composed message, estimated at accept and never too small. */
  readonly sizeBytes: number;
}

/** The large part of a message: what the composer needs besides the `Message`, or the raw message. */
export type Content = WrittenContent | RawContent;

/** A raw message (RFC 5322, CRLF), as it is sent. */
export interface RawContent {
  /** Lines for the top of its header. They are kept apart, so that a large message is not copied for them. */
  readonly added?: string;
  readonly raw: Buffer;
}

export interface WrittenContent {
  readonly replyTo: readonly Address[];
  readonly text?: string;
  readonly html?: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly attachments: readonly Attachment[];
  readonly calendar?: Calendar;
  readonly importance?: Level;
}

export interface Attachment {
  readonly filename: string;
  /** Base64, RFC 4648 section 4, padded and without line breaks. */
  readonly content: string;
  readonly contentType?: string;
  /** Set for an inline part, for `<img src="cid:…">` in the html. */
  readonly contentId?: string;
}

export interface Calendar {
  readonly method: string;
  /** The iCalendar object itself (RFC 5545). */
  readonly content: string;
}

/** An SMTP reply as Exchange gave it. */
export interface Reply {
  readonly code: number;
  /** RFC 3463 enhanced status code, when the reply has one. */
  readonly enhanced?: string;
  readonly text: string;
}

/**
 * `held` and `throttled` are caused by the mailbox, `interrupted` by the worker: they do not count for the delay of the
 * next attempt. `unknown`: Exchange may have accepted the message.
 */
export type AttemptOutcome = 'sent' | 'deferred' | 'failed' | 'unknown' | 'interrupted' | 'held' | 'throttled';

/** One attempt to hand the message to Exchange. */
export interface Attempt {
  readonly at: Date;
  readonly durationMs: number;
  readonly outcome: AttemptOutcome;
  readonly reply?: Reply;
  readonly explanation: string;
  readonly fix?: string;
}

export const RECIPIENT_STATUSES = ['pending', 'sent', 'failed', 'canceled'] as const;
export type RecipientStatus = (typeof RECIPIENT_STATUSES)[number];

/** The state of a recipient; `reply` is set when Exchange answered for this recipient only. */
export interface RecipientState {
  readonly address: string;
  readonly status: RecipientStatus;
  readonly reply?: Reply;
}

/** What has happened to a message so far. */
export interface MessageState {
  readonly status: MessageStatus;
  readonly attempts: readonly Attempt[];
  readonly recipients: readonly RecipientState[];
  readonly nextAttemptAt?: Date;
  readonly finishedAt?: Date;
  /** When it was queued again: earlier attempts no longer count. */
  readonly retriedAt?: Date;
}

/** The name of the message's queue. */
export function queueOf({ pool, mailbox }: Pick<Message, 'pool' | 'mailbox'>): string {
  return pool ?? mailbox;
}

/** The message as this mailbox of its pool sends it: from its address, with the display name as given. */
export function sendThrough(message: Message, mailbox: { readonly id: string; readonly address: string }): Message {
  const { from } = message;
  return { ...message, mailbox: mailbox.id, from: { ...from, address: mailbox.address } };
}

type Addressed = Pick<Message, 'to' | 'cc' | 'bcc' | 'envelopeTo'>;

/** A message never changes, and five steps of its accept ask for its recipients: they are found once. */
const recipientsFound = new WeakMap<Addressed, readonly string[]>();

/** The SMTP envelope's recipients, each once, in the order of To, Cc, Bcc. */
export function recipientsOf(message: Addressed): readonly string[] {
  const found = recipientsFound.get(message) ?? findRecipients(message);
  recipientsFound.set(message, found);
  return found;
}

function findRecipients({ to, cc, bcc, envelopeTo }: Addressed): readonly string[] {
  const addresses = envelopeTo ?? [...to, ...cc, ...bcc].map(({ address }) => address);
  return [...new Map(addresses.map((address) => [addressKey(address), address])).values()];
}

/** The state of a message at its accept. */
export function newState(message: Addressed & Pick<Message, 'sendAt'>): MessageState {
  const recipients = recipientsOf(message).map((address) => ({ address, status: 'pending' }) as const);
  return { status: message.sendAt ? 'scheduled' : 'queued', attempts: [], recipients };
}

/** The status that is shown: the stored one does not change when a mailbox is held or a time has come. */
export function publicStatus(
  { status }: MessageState,
  { sendAt }: Pick<Message, 'sendAt'>,
  mailbox: { readonly state: string } | undefined,
  now: Date,
): MessageStatus {
  const due = status === 'scheduled' && sendAt !== undefined && sendAt <= now ? 'queued' : status;
  return mailbox?.state === 'held' && (due === 'queued' || due === 'deferred') ? 'held' : due;
}

export function isFinal(status: MessageStatus): boolean {
  return FINAL_STATUSES.some((final) => final === status);
}
