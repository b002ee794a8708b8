/** The trace that a mail gets: RFC 5321 4.4. It tells what the client said and where it came from, and nothing of us. */
import type { SMTPServerSession } from 'smtp-server';
import type { Message } from '../core/message/message.ts';
import { formatDate } from '../core/message/raw-draft.ts';

/** The name by which this server is known to its clients: its host's own is nobody's business. */
export const SERVER_NAME = 'relay365';

/** What a HELO may bring into a header; anything else is no name. */
const HELO = /^[\w.:[\]-]{1,255}$/;

export function receivedLine(
  { hostNameAppearsAs, remoteAddress, transmissionType }: SMTPServerSession,
  { id, acceptedAt }: Pick<Message, 'id' | 'acceptedAt'>,
): string {
  const helo = HELO.test(hostNameAppearsAs) ? hostNameAppearsAs : 'unknown';
  const literal = remoteAddress.includes(':') ? `[IPv6:${remoteAddress}]` : `[${remoteAddress}]`;
  const folded = [
    `Received: from ${helo} (${literal})`,
    `by ${SERVER_NAME} with ${transmissionType} id ${id};`,
    formatDate(acceptedAt),
  ];
  return folded.join('\r\n\t');
}
