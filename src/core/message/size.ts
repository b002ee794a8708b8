/**
 * Estimates the size of a composed message before it is composed: never too small, and within two per cent for
 * attachments.
 */
import type { Address } from './address.ts';
import type { Attachment, Message, WrittenContent } from './message.ts';

/** Base64 with a CRLF after each 76 characters: 78 octets carry 57 bytes, or 76 of its characters. RFC 2045 6.8 */
const BASE64_OCTETS_PER_BYTE = 78 / 57;
const BASE64_OCTETS_PER_CHARACTER = 78 / 76;
/** Quoted-printable (RFC 2045 6.7) breaks its lines after 51 to 76 octets, by three; an escape is three. */
const SOFT_BREAKS = 54 / 51;
const ESCAPE_OCTETS = 3;
/** An encoded word (RFC 2047) has at most 75 octets, 12 of them for its own characters, and folding adds three. */
const ENCODED_WORDS = 1.4;
/** Headers, boundaries and the headers of parts; the punctuation of an address, and the fold after it. */
const HEADERS_BYTES = 1024;
const PART_BYTES = 512;
const ADDRESS_BYTES = 10;
/** A file name is in Content-Type and in Content-Disposition. */
const FILENAME_TIMES = 2;

type Headed = Pick<Message, 'to' | 'cc' | 'subject'> & { readonly from?: Address };

/** An upper estimate in bytes of the composed message. */
export function estimateSizeBytes({ from, to, cc, subject }: Headed, content: WrittenContent): number {
  const { text = '', html = '', calendar, attachments, headers, replyTo } = content;
  const addresses = [...(from ? [from] : []), ...to, ...cc, ...replyTo];
  return Math.ceil(
    HEADERS_BYTES +
      sum([text, html].map((part) => PART_BYTES + textBytes(part))) +
      // An invitation is sent twice: as a part, and as a file.
      (calendar ? 2 * PART_BYTES + textBytes(calendar.content) + base64Bytes(calendar.content) : 0) +
      sum(attachments.map(attachmentBytes)) +
      sum([...Object.entries(headers).flat(), subject].map(headerBytes)) +
      sum(addresses.map(({ name = '', address }) => headerBytes(name) + headerBytes(address) + ADDRESS_BYTES)),
  );
}

function attachmentBytes({ filename, content, contentId = '' }: Attachment): number {
  const names = FILENAME_TIMES * headerBytes(filename) + headerBytes(contentId);
  return PART_BYTES + names + content.length * BASE64_OCTETS_PER_CHARACTER;
}

/** In quoted-printable, "=", non-ASCII bytes and a space before a line's end are escaped; lines end with CRLF. */
function textBytes(text: string): number {
  const bytes = Buffer.byteLength(text);
  if (bytes !== text.length) return bytes * ESCAPE_OCTETS * SOFT_BREAKS;
  const escapes = count(text, '=') + count(text, '\n');
  return (bytes + escapes * ESCAPE_OCTETS) * SOFT_BREAKS;
}

function base64Bytes(text: string): number {
  return Buffer.byteLength(text) * BASE64_OCTETS_PER_BYTE;
}

function headerBytes(text: string): number {
  const bytes = Buffer.byteLength(text);
  return bytes === text.length ? bytes * SOFT_BREAKS : bytes * ESCAPE_OCTETS * ENCODED_WORDS;
}

function count(text: string, sign: string): number {
  let found = 0;
  for (let at = text.indexOf(sign); at >= 0; at = text.indexOf(sign, at + 1)) found += 1;
  return found;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
