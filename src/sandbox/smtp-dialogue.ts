/** The SMTP dialogue of a submission server (RFC 6409): each command, what it requires, and Exchange's reply. */
import * as replies from './replies.ts';
import { authenticate } from './smtp-auth.ts';
import { type Command, readCommand, readPath } from './smtp-command.ts';
import { receiveChunk, receiveData } from './smtp-receive.ts';
import type { Answer, SmtpSession, Transaction } from './smtp-session.ts';
import { isTooLarge } from './submission.ts';

const { REPLIES } = replies;
const MAIL_PARAMETERS = ['SIZE', 'BODY', 'SMTPUTF8', 'RET', 'ENVID', 'AUTH'];
const RECIPIENT_PARAMETERS = ['NOTIFY', 'ORCPT'];

type Handler = (session: SmtpSession, command: Command) => Promise<void>;

const HANDLERS: Readonly<Record<string, Handler>> = {
  EHLO: (session, { rest }) => session.perform('ehlo', () => greet(session, rest, replies.extendedHello)),
  HELO: (session, { rest }) => session.perform('ehlo', () => greet(session, rest, replies.hello)),
  STARTTLS: (session) => session.perform('starttls', () => startTls(session)),
  AUTH: authenticate,
  MAIL: (session, { rest }) => mail(session, rest),
  RCPT: (session, { rest }) => recipient(session, rest),
  DATA: (session) => session.perform('data', () => data(session)),
  BDAT: (session, { rest }) => receiveChunk(session, rest, refusalOfData(session)),
  RSET: (session) => session.answer(reset(session)),
  QUIT: (session) => session.answer({ reply: REPLIES.bye }),
  NOOP: (session) => session.answer({ reply: REPLIES.ok }),
  HELP: (session) => session.answer({ reply: REPLIES.help }),
  VRFY: (session) => session.answer({ reply: REPLIES.cannotVerify }),
};

/** Answers commands until the client or the server closes the connection. */
export async function converse(session: SmtpSession): Promise<void> {
  await session.perform('connect', () => ({ reply: replies.banner(session.now, session.id) }));
  while (!session.gone.aborted) {
    const line = await session.wait(session.reader.readLine());
    if (!line) break;
    if (line.kind === 'too-long') await session.answer({ reply: REPLIES.lineTooLong });
    else await handle(session, readCommand(line.text));
  }
  session.endTransaction('abandoned');
}

async function handle(session: SmtpSession, command: Command): Promise<void> {
  const handler = Object.hasOwn(HANDLERS, command.verb) ? HANDLERS[command.verb] : undefined;
  if (handler) await handler(session, command);
  else await session.answer({ reply: replies.unknownCommand(command.verb) });
}

function greet(session: SmtpSession, client: string, hello: (address: string, secure: boolean) => string): Answer {
  if (client === '') return { reply: REPLIES.invalidDomain };
  session.endTransaction('abandoned');
  session.client = client;
  return { reply: hello(session.remoteAddress, session.secure) };
}

function startTls(session: SmtpSession): Answer {
  if (session.client === undefined) return { reply: REPLIES.helloFirst };
  if (session.secure) return { reply: REPLIES.oneStartTls };
  return { reply: REPLIES.startTls, next: () => session.startTls() };
}

async function mail(session: SmtpSession, rest: string): Promise<void> {
  const read = readPath(rest, 'FROM');
  const from = read.kind === 'path' ? read.path.address : '';
  const parameters = read.kind === 'path' ? read.path.parameters : new Map<string, string>();
  await session.perform(
    'mail',
    () => {
      const refusal = refusalOfMail(session, read.kind, parameters);
      if (refusal !== undefined) return { reply: refusal };
      session.transaction = { from, recipients: [], chunks: [] };
      return { reply: REPLIES.senderOk };
    },
    { from },
  );
}

function refusalOfMail(
  session: SmtpSession,
  kind: string,
  parameters: ReadonlyMap<string, string>,
): string | undefined {
  if (session.client === undefined) return REPLIES.helloFirst;
  if (!session.mailbox) return replies.notAuthenticated(session.now, session.id);
  if (session.transaction) return REPLIES.senderGiven;
  if (kind === 'no-command') return REPLIES.invalidArguments;
  if (kind === 'bad-address') return REPLIES.invalidAddress;
  if ([...parameters.keys()].some((name) => !MAIL_PARAMETERS.includes(name))) return REPLIES.unrecognizedParameter;
  return isTooLarge(Number(parameters.get('SIZE') ?? 0), session.limits) ? REPLIES.tooLarge : undefined;
}

async function recipient(session: SmtpSession, rest: string): Promise<void> {
  const read = readPath(rest, 'TO');
  const address = read.kind === 'path' ? read.path.address : '';
  const parameters = read.kind === 'path' ? read.path.parameters : new Map<string, string>();
  await session.perform(
    'rcpt',
    () => {
      const { transaction } = session;
      if (!transaction) return { reply: REPLIES.needMail };
      const refusal = refusalOfRecipient(session, transaction, read.kind, parameters);
      if (refusal !== undefined) return { reply: refusal };
      transaction.recipients.push(address);
      return { reply: REPLIES.recipientOk };
    },
    { recipient: address },
  );
}

function refusalOfRecipient(
  session: SmtpSession,
  transaction: Transaction,
  kind: string,
  parameters: ReadonlyMap<string, string>,
): string | undefined {
  const { recipientsPerMessage } = session.limits;
  if (kind === 'no-command') return REPLIES.invalidArguments;
  if (kind === 'bad-address') return REPLIES.invalidRecipient;
  if ([...parameters.keys()].some((name) => !RECIPIENT_PARAMETERS.includes(name))) return REPLIES.unrecognizedParameter;
  const isFull = recipientsPerMessage > 0 && transaction.recipients.length >= recipientsPerMessage;
  return isFull ? REPLIES.tooManyRecipients : undefined;
}

function data(session: SmtpSession): Answer {
  const refusal = refusalOfData(session);
  return refusal === undefined ? { reply: REPLIES.startInput, next: () => receiveData(session) } : { reply: refusal };
}

function refusalOfData(session: SmtpSession): string | undefined {
  const { transaction, mailbox, limits } = session;
  if (!transaction || !mailbox) return REPLIES.needMail;
  if (transaction.recipients.length === 0) return REPLIES.needRecipient;
  return mailbox.isExcess(session, limits.connections) ? replies.tooManyConnections() : undefined;
}

function reset(session: SmtpSession): Answer {
  session.endTransaction('abandoned');
  return { reply: REPLIES.reset };
}
