/** One mail of a session, from MAIL FROM to the end of its data: it is queued when its client hears 250. */
import type { SMTPServerAddress, SMTPServerDataStream, SMTPServerSession } from 'smtp-server';
import { parseAddress } from '../core/message/address.ts';
import { type CountRequest, countAgainstLimit } from '../core/submit/request-rate.ts';
import type { Outbox, SubmitOutcome } from '../core/submit/outbox.ts';
import type { SmtpClient } from './clients.ts';
import { Collector } from './data-buffer.ts';
import { hasFalseEnd } from './smuggling.ts';
import type { MemoryBudget } from './limits.ts';
import type { Log } from './log.ts';
import { receivedLine } from './received.ts';
import { answerOf, Reply } from './reply.ts';

export interface MailContext {
  readonly clientOf: (session: SMTPServerSession) => SmtpClient | undefined;
  readonly countRequest: CountRequest;
  readonly submit: Outbox['submit'];
  /** Whether a From of this client that no mailbox may send as gives way to the mailbox's own. */
  readonly rewritesFrom: (client: string) => boolean;
  readonly sizeBytesMax: () => number;
  readonly budget: MemoryBudget;
  readonly log: Log;
}

/** The parameters that clients send, whether they were offered or not; RFC 5321 4.1.1.11 has the others refused. */
const MAIL_PARAMETERS = ['SIZE', 'BODY', 'SMTPUTF8', 'AUTH', 'RET', 'ENVID'];
const RCPT_PARAMETERS = ['NOTIFY', 'ORCPT'];
const TOO_MUCH = '4.3.1 Too many mails are being received: send it again later';

/** @throws Reply when the session may not begin a mail. */
export async function beginMail(
  sender: SMTPServerAddress,
  session: SMTPServerSession,
  { clientOf, countRequest, budget }: MailContext,
): Promise<void> {
  checkParameters(sender, MAIL_PARAMETERS);
  const client = requireClient(session, clientOf);
  if (!budget.has(toldSize(sender))) throw new Reply(452, TOO_MUCH);
  const rate = await countAgainstLimit(client, countRequest);
  if (rate?.excess !== undefined) throw new Reply(451, `4.7.1 ${rate.excess}`);
}

function checkParameters({ args }: SMTPServerAddress, known: readonly string[]): void {
  const unknown = Object.keys(args || {}).find((name) => !known.includes(name));
  if (unknown !== undefined) throw new Reply(555, `5.5.4 Unknown parameter ${unknown.slice(0, 40)}`);
}

/** Also asked for at the end of the data: a key may have been taken back since. @throws Reply without one. */
function requireClient(session: SMTPServerSession, clientOf: MailContext['clientOf']): SmtpClient {
  const client = clientOf(session);
  if (!client) throw new Reply(530, '5.7.0 Authentication required: log in with the name of an API key and its secret');
  if (!client.scopes.includes('send')) throw new Reply(550, `5.7.1 The key ${client.name} has not the scope send`);
  return client;
}

/** @throws Reply when it is no address that a mail could go to. */
export function checkRecipient(recipient: SMTPServerAddress): void {
  checkParameters(recipient, RCPT_PARAMETERS);
  const parsed = parseAddress(recipient.address);
  if (!parsed.ok) throw new Reply(501, `5.1.3 The address ${parsed.problem}`);
}

/** The answer to the mail. @throws Reply when it is refused; another error when the client has gone. */
export async function takeMail(
  stream: SMTPServerDataStream,
  session: SMTPServerSession,
  context: MailContext,
): Promise<string> {
  const collector = new Collector(Math.min(toldSize(session.envelope.mailFrom), context.sizeBytesMax()));
  try {
    await collect(stream, collector, context);
    return answerOf(await submit(collector.finish(), session, context));
  } finally {
    context.budget.give(collector.bytes);
  }
}

/** RFC 1870: the size that the client expects, if it told one. */
function toldSize(sender: SMTPServerAddress | false): number {
  const { args } = sender || { args: false };
  return args ? Number(args['SIZE'] ?? 0) : 0;
}

/**
 * Reads to the end even what is refused: a client listens only then. What it had is free at once, so that of many mails
 * that come together some get through. @throws Reply when it is too much.
 */
async function collect(
  stream: SMTPServerDataStream,
  collector: Collector,
  { sizeBytesMax, budget }: MailContext,
): Promise<void> {
  const most = sizeBytesMax();
  let refusal: Reply | undefined;
  for await (const piece of stream as AsyncIterable<Buffer>) {
    refusal ??= refusalOf(piece.length, collector.bytes, most, budget);
    if (refusal) budget.give(collector.drop());
    else collector.add(piece);
  }
  if (refusal) throw refusal;
}

function refusalOf(more: number, held: number, most: number, budget: MemoryBudget): Reply | undefined {
  if (held + more > most) return new Reply(552, `5.3.4 The mail has more than ${most} bytes, the most that is taken`);
  if (!budget.take(more)) return new Reply(452, TOO_MUCH);
  return undefined;
}

async function submit(
  { bytes, digest }: ReturnType<Collector['finish']>,
  session: SMTPServerSession,
  context: MailContext,
) {
  const client = requireClient(session, context.clientOf);
  if (hasFalseEnd(bytes))
    throw new Reply(550, '5.6.11 A dot stands alone between bare line feeds: end each line with CR LF');
  // SMTP has no word for a pool: a key that may use one thing alone uses that.
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
  tellTrouble(outcome, context.log);
  return outcome;
}

function tellTrouble(outcome: SubmitOutcome, log: Log): void {
  if (outcome.kind === 'unavailable') log.error({ reason: String(outcome.cause) }, 'the queue is unavailable');
  if (outcome.kind === 'unanswered') log.error({ reason: String(outcome.cause) }, 'the queue did not answer');
}
