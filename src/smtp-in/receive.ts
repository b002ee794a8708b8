/** Receives one message of a session, from MAIL FROM to the end of its data. 250 means that it is queued. */
import type { SMTPServerAddress, SMTPServerDataStream, SMTPServerSession } from 'smtp-server';
import type { Message } from '../core/message/message.ts';
import { formatDate } from '../core/message/raw-draft.ts';
import { parseAddress } from '../core/message/address.ts';
import { type CountRequest, countAgainstLimit } from '../core/submit/request-rate.ts';
import type { Outbox, SubmitOutcome } from '../core/submit/outbox.ts';
import type { SmtpClient } from './clients.ts';
import { DataBuffer } from './data-buffer.ts';
import { SERVER_NAME } from './limits.ts';
import { hasFalseEnd } from './smuggling.ts';
import type { MemoryBudget } from './memory-budget.ts';
import type { Log } from './log.ts';
import { answerOf, SmtpRejection } from './reply.ts';

export interface ReceiveContext {
  readonly clientOf: (session: SMTPServerSession) => SmtpClient | undefined;
  readonly countRequest: CountRequest;
  readonly submit: Outbox['submit'];
  /** Whether a From of this client that no mailbox may send as is replaced by the mailbox's own. */
  readonly rewritesFrom: (client: string) => boolean;
  readonly sizeBytesMax: () => number;
  readonly budget: MemoryBudget;
  readonly log: Log;
}

/** The parameters that clients send, offered or not. RFC 5321 4.1.1.11 requires that others are refused. */
const MAIL_PARAMETERS = ['SIZE', 'BODY', 'SMTPUTF8', 'AUTH', 'RET', 'ENVID'];
const RCPT_PARAMETERS = ['NOTIFY', 'ORCPT'];
const TOO_MUCH = '4.3.1 Too many messages in progress: send it again later';

/** @throws SmtpRejection when the session may not begin a message. */
export async function beginMessage(
  sender: SMTPServerAddress,
  session: SMTPServerSession,
  { clientOf, countRequest, budget }: ReceiveContext,
): Promise<void> {
  checkParameters(sender, MAIL_PARAMETERS);
  const client = requireClient(session, clientOf);
  if (!budget.has(announcedSize(sender))) throw new SmtpRejection(452, TOO_MUCH);
  const rate = await countAgainstLimit(client, countRequest);
  if (rate?.excess !== undefined) throw new SmtpRejection(451, `4.7.1 ${rate.excess}`);
}

function checkParameters({ args }: SMTPServerAddress, known: readonly string[]): void {
  const unknown = Object.keys(args || {}).find((name) => !known.includes(name));
  if (unknown !== undefined) throw new SmtpRejection(555, `5.5.4 Unknown parameter ${unknown.slice(0, 40)}`);
}

/** Checked again at the end of the data: the key may have been revoked. @throws SmtpRejection without a client. */
function requireClient(session: SMTPServerSession, clientOf: ReceiveContext['clientOf']): SmtpClient {
  const client = clientOf(session);
  if (!client)
    throw new SmtpRejection(530, '5.7.0 Authentication required: log in with the name of an API key and its secret');
  if (!client.scopes.includes('send'))
    throw new SmtpRejection(550, `5.7.1 Key "${client.name}" lacks the scope "send"`);
  return client;
}

/** @throws SmtpRejection when the recipient is not a valid address. */
export function checkRecipient(recipient: SMTPServerAddress): void {
  checkParameters(recipient, RCPT_PARAMETERS);
  const parsed = parseAddress(recipient.address);
  if (!parsed.ok) throw new SmtpRejection(501, `5.1.3 The address ${parsed.problem}`);
}

/** The reply to the message. @throws SmtpRejection when it is refused; another error when the client has gone. */
export async function receiveMessage(
  stream: SMTPServerDataStream,
  session: SMTPServerSession,
  context: ReceiveContext,
): Promise<string> {
  const data = new DataBuffer(Math.min(announcedSize(session.envelope.mailFrom), context.sizeBytesMax()));
  try {
    await collect(stream, data, context);
    return answerOf(await submit(data.finish(), session, context));
  } finally {
    context.budget.give(data.bytes);
  }
}

/** RFC 1870: the size that the client announced, or 0. */
function announcedSize(sender: SMTPServerAddress | false): number {
  const { args } = sender || { args: false };
  return args ? Number(args['SIZE'] ?? 0) : 0;
}

/**
 * Reads to the end even what is refused: a client reads the reply only then. Its memory is freed at once, so that of many
 * messages that arrive together some get through. @throws SmtpRejection when it is too much.
 */
async function collect(
  stream: SMTPServerDataStream,
  data: DataBuffer,
  { sizeBytesMax, budget }: ReceiveContext,
): Promise<void> {
  const most = sizeBytesMax();
  let refusal: SmtpRejection | undefined;
  for await (const piece of stream as AsyncIterable<Buffer>) {
    refusal ??= refusalOf(piece.length, data.bytes, most, budget);
    if (refusal) budget.give(data.drop());
    else data.add(piece);
  }
  if (refusal) throw refusal;
}

function refusalOf(more: number, held: number, most: number, budget: MemoryBudget): SmtpRejection | undefined {
  if (held + more > most) return new SmtpRejection(552, `5.3.4 The message is larger than ${most} bytes, the limit`);
  if (!budget.take(more)) return new SmtpRejection(452, TOO_MUCH);
  return undefined;
}

async function submit(
  { bytes, digest }: ReturnType<DataBuffer['finish']>,
  session: SMTPServerSession,
  context: ReceiveContext,
) {
  const client = requireClient(session, context.clientOf);
  if (hasFalseEnd(bytes))
    throw new SmtpRejection(550, '5.6.11 A line with only a dot between bare line feeds: end each line with CR LF');
  // SMTP cannot name a pool: a key that may use only one mailbox or pool uses that.
  const [only, ...others] = client.mailboxes ?? [];
  const outcome = await context.submit(
    {
      kind: 'raw',
      bytes,
      digest,
      ...(only !== undefined && others.length === 0 && { mailbox: only }),
      recipients: session.envelope.rcptTo.map(({ address }) => address),
      trace: (message) => [receivedLine(session, message)],
      foreignFrom: context.rewritesFrom(client.name) ? 'rewrite' : 'refuse',
    },
    client,
  );
  logFault(outcome, context.log);
  return outcome;
}

function logFault(outcome: SubmitOutcome, log: Log): void {
  if (outcome.kind === 'unavailable') log.error({ reason: String(outcome.cause) }, 'SMTP: the queue is unavailable');
  if (outcome.kind === 'unanswered') log.error({ reason: String(outcome.cause) }, 'SMTP: the queue did not answer');
}

/** What a HELO may bring into a header; anything else is not a name. */
const HELO = /^[\w.:[\]-]{1,255}$/;

/** The trace that a message gets (RFC 5321 4.4): what the client said and where it came from, nothing about us. */
function receivedLine(
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
