/**
 * Composes a message into RFC 5322 bytes with nodemailer. All that could differ between two attempts (Message-ID, Date,
 * boundaries) is derived from the message, so each attempt sends the same bytes.
 */
import { createHash } from 'node:crypto';
import libmime from 'libmime';
import MailComposer, { type MailComposerAttachment } from 'nodemailer/lib/mail-composer';
import type { Compose } from '../core/deliver/attempt.ts';
import type { Address } from '../core/message/address.ts';
import type { Attachment, Level, Message, RawContent, WrittenContent } from '../core/message/message.ts';
import { withFrom } from '../core/message/raw-message.ts';
import { renderShort } from './render.ts';

/** Older clients read `X-Priority`. Outlook and Exchange read `Importance` (RFC 2156). */
const X_PRIORITY: Readonly<Record<Level, string>> = { high: '1 (Highest)', normal: '3 (Normal)', low: '5 (Lowest)' };

/** RFC 5322 A.1.3: an empty group, for a message whose recipients are all in Bcc. */
const UNDISCLOSED = 'undisclosed-recipients:;';

export const compose: Compose = async (message, content) =>
  'raw' in content ? ready(message, content) : written(message, content);

/** A raw MIME message through a pool also gets the address of the mailbox as its From. */
function ready({ pool, from }: Message, { added, raw }: RawContent): Uint8Array {
  const bytes = added === undefined ? raw : Buffer.concat([Buffer.from(added), raw]);
  return pool === undefined ? bytes : withFrom(bytes, addressHeader(from));
}

function addressHeader({ name, address }: Address): string {
  return name === undefined ? address : `${libmime.encodeWord(name, 'Q')} <${address}>`;
}

async function written(message: Message, content: WrittenContent): Promise<Uint8Array> {
  const composer = new MailComposer({
    from: message.from,
    to: message.to.length + message.cc.length > 0 ? [...message.to] : UNDISCLOSED,
    cc: [...message.cc],
    replyTo: [...content.replyTo],
    subject: message.subject,
    messageId: message.messageId,
    date: message.acceptedAt,
    text: content.text,
    html: content.html,
    icalEvent: content.calendar && { method: content.calendar.method, content: content.calendar.content },
    attachments: content.attachments.map(attachmentPart),
    headers: { ...content.headers, ...importanceHeaders(content.importance) },
    baseBoundary: createHash('sha256').update(message.id).digest('hex').slice(0, 32),
    // nodemailer must never read content as the path of a file or as a URL to fetch.
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  const tree = composer.compile();
  return renderShort(tree) ?? tree.build();
}

function attachmentPart({ filename, content, contentType, contentId }: Attachment): MailComposerAttachment {
  return {
    filename,
    content,
    encoding: 'base64',
    contentType,
    ...(contentId && { cid: contentId, contentDisposition: 'inline' }),
  };
}

function importanceHeaders(importance: WrittenContent['importance']): Record<string, string> {
  return importance ? { Importance: importance, 'X-Priority': X_PRIORITY[importance] } : {};
}
