/** How large a message will be once it is composed, told before it is composed. */
import { type Message, recipientsOf, type WrittenContent } from './message.ts';

/** Base64 with a CRLF after each 76 characters: 78 octets carry 57. RFC 2045 6.8 */
const BASE64_OCTETS_PER_BYTE = 78 / 57;
/** Quoted-printable: one octet for an ASCII character and its share of soft line breaks, three for any other. */
const QUOTED_PRINTABLE_ASCII = 1.05;
const QUOTED_PRINTABLE_OTHER = 3.15;
/** Headers, boundaries and the parts' own headers. */
const HEADERS_BYTES = 1024;
const PART_BYTES = 512;
const RECIPIENT_BYTES = 4;

/** An estimate in bytes of the composed message: right within some per cent, and rather too large than too small. */
export function estimateSizeBytes(
  message: Pick<Message, 'to' | 'cc' | 'bcc' | 'subject'>,
  content: WrittenContent,
): number {
  const attachments = content.attachments.map(
    ({ content }) => PART_BYTES + content.length * 0.75 * BASE64_OCTETS_PER_BYTE,
  );
  const texts = [content.text, content.html, content.calendar?.content, content.calendar?.content];
  const headers = [...Object.entries(content.headers).flat(), message.subject, ...recipientsOf(message)];
  return Math.ceil(
    HEADERS_BYTES +
      sum(attachments) +
      sum(texts.map((text) => (text === undefined ? 0 : PART_BYTES + quotedPrintableBytes(text)))) +
      sum(headers.map((header) => quotedPrintableBytes(header) + RECIPIENT_BYTES)),
  );
}

function quotedPrintableBytes(text: string): number {
  const bytes = Buffer.byteLength(text);
  return bytes * (bytes === text.length ? QUOTED_PRINTABLE_ASCII : QUOTED_PRINTABLE_OTHER);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
