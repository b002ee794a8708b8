/** The newest messages that the simulated Exchange accepted, limited in number and in bytes. */
import { decodeWords, firstHeader, type Headers } from './headers.ts';

/** A message that Exchange accepted. */
export interface TakenMessage {
  /** Counts up from 1. No number is used twice. */
  readonly n: number;
  readonly at: Date;
  /** The address of the mailbox that was logged in. */
  readonly mailbox: string;
  /** MAIL FROM. */
  readonly from: string;
  /** RCPT TO. */
  readonly recipients: readonly string[];
  readonly raw: Buffer;
  readonly size: number;
  readonly subject?: string;
  /** With its angle brackets. */
  readonly messageId?: string;
}

/** A message as `GET /sandbox/messages` lists it. */
export interface MessageSummary {
  readonly n: number;
  readonly receivedAt: string;
  readonly mailbox: string;
  readonly from: string;
  readonly to: readonly string[];
  readonly subject: string;
  readonly messageId: string | null;
  readonly sizeBytes: number;
}

export interface StoreBounds {
  readonly messagesMax: number;
  readonly bytesMax: number;
}

/** Default limits. Over them, the oldest messages are dropped; the newest one always stays. */
export const STORED_MESSAGES_MAX = 10_000;
export const STORED_BYTES_MAX = 256 * 1024 * 1024;

export class MessageStore {
  readonly #bounds: StoreBounds;
  #messages: TakenMessage[] = [];
  #bytes = 0;
  #lastN = 0;

  constructor(bounds: StoreBounds) {
    this.#bounds = bounds;
  }

  get messages(): readonly TakenMessage[] {
    return this.#messages;
  }

  add(message: Omit<TakenMessage, 'n' | 'size' | 'subject' | 'messageId'>, headers: Headers): TakenMessage {
    const subject = firstHeader(headers, 'subject');
    const messageId = firstHeader(headers, 'message-id');
    this.#lastN += 1;
    const taken = {
      ...message,
      n: this.#lastN,
      size: message.raw.length,
      ...(subject !== undefined && { subject: decodeWords(subject) }),
      ...(messageId !== undefined && { messageId }),
    };
    this.#messages.push(taken);
    this.#bytes += taken.size;
    this.#dropOldest();
    return taken;
  }

  find(n: number): TakenMessage | undefined {
    return this.#messages.find((message) => message.n === n);
  }

  /** Newest first. */
  list(): MessageSummary[] {
    return this.#messages.map(summarize).reverse();
  }

  clear(): void {
    this.#messages = [];
    this.#bytes = 0;
  }

  #dropOldest(): void {
    while (this.#messages.length > 1 && this.#isBeyondBounds()) {
      this.#bytes -= this.#messages.shift()?.size ?? 0;
    }
  }

  #isBeyondBounds(): boolean {
    return this.#messages.length > this.#bounds.messagesMax || this.#bytes > this.#bounds.bytesMax;
  }
}

function summarize({ n, at, mailbox, from, recipients, subject, messageId, size }: TakenMessage): MessageSummary {
  return {
    n,
    receivedAt: at.toISOString(),
    mailbox,
    from,
    to: recipients,
    subject: subject ?? '',
    messageId: messageId ?? null,
    sizeBytes: size,
  };
}
