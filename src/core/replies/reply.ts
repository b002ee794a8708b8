/** Parses and formats SMTP replies. */
import type { Reply } from '../message/message.ts';

const REPLY = /^(\d{3})(?:[ -](?:([245]\.\d{1,3}\.\d{1,3})(?:[ ]|$))?)?(.*)$/s;

/** Control characters: a terminal would execute some of them. */
const CONTROL = /[\u0000-\u001f\u007f-\u009f]+/g;
/** The text is stored with each attempt. RFC 5321 4.5.3.1.5 limits one line to 512 bytes. */
const TEXT_LENGTH_MAX = 4_000;

/**
 * Reads a server's reply, of one line or several, into code, enhanced code and text. Undefined if it is not a reply.
 * Source: RFC 5321 4.2, RFC 2034 4 (the enhanced code is repeated on each line).
 */
export function parseReply(raw: string): Reply | undefined {
  const lines = raw
    .trim()
    .split(/\r?\n/)
    .map((line) => REPLY.exec(line));
  const [first] = lines;
  if (!first?.[1]) return undefined;
  const text = lines
    .map((line) => line?.[3]?.trim() ?? '')
    .join(' ')
    .replace(CONTROL, ' ')
    .trim()
    .slice(0, TEXT_LENGTH_MAX);
  return { code: Number(first[1]), ...(first[2] && { enhanced: first[2] }), text };
}

/** The reply on one line, for logs and people. */
export function formatReply({ code, enhanced, text }: Reply): string {
  return [code, enhanced, text].filter((part) => part !== undefined && part !== '').join(' ');
}
