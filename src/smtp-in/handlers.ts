/** The callbacks of smtp-server in a session: who the client is, and whether its message is accepted. */
import type { SMTPServerOptions, SMTPServerSession } from 'smtp-server';
import type { Connection } from './connection.ts';
import { type LoginContext, logIn } from './login.ts';
import { beginMessage, checkRecipient, type ReceiveContext, receiveMessage } from './receive.ts';
import { SmtpRejection } from './reply.ts';

export interface HandlerContext extends LoginContext, ReceiveContext {
  readonly hasTls: () => boolean;
  readonly connectionOf: (session: SMTPServerSession) => Connection | undefined;
}

type Handlers = Required<
  Pick<SMTPServerOptions, 'onConnect' | 'onSecure' | 'onAuth' | 'onMailFrom' | 'onRcptTo' | 'onData'>
>;

/** Commands of old sendmails, and commands for proxies: no client needs them. */
export const OFF = ['WIZ', 'SHELL', 'KILL', 'XCLIENT', 'XFORWARD', 'LHLO'];

export function makeHandlers(context: HandlerContext): Handlers {
  return {
    onConnect: (session, done) => answer(async () => settle(session, context), done),
    onSecure: (_socket, session, done) => answer(async () => settle(session, context), done),
    onAuth: (auth, session, done) => {
      logIn(auth, session, context).then(
        (user) => {
          done(null, { user });
          settle(session, context);
        },
        (error: Error) => done(error),
      );
    },
    onMailFrom: (sender, session, done) => answer(() => beginMessage(sender, session, context), done),
    onRcptTo: (address, _session, done) => answer(async () => checkRecipient(address), done),
    onData: (stream, session, done) => {
      const finish = beginData(session, context);
      receiveMessage(stream, session, context).then(
        (text) => finish(() => done(null, text)),
        (error: Error) => finish(() => done(replyOf(error, context))),
      );
    },
  };
}

function answer(work: () => Promise<void>, done: (error?: Error | null) => void): void {
  work().then(
    () => done(),
    (error: Error) => done(error),
  );
}

/** What the session may do from now on, and for how long. */
function settle(
  session: SMTPServerSession,
  { hasTls, isTrusted, clientOf, connectionOf, limits }: HandlerContext,
): void {
  const mayLogIn = session.secure || isTrusted(session.remoteAddress);
  session.disabledCommands = [...OFF, ...(hasTls() ? [] : ['STARTTLS']), ...(mayLogIn ? [] : ['AUTH'])];
  if (clientOf(session))
    connectionOf(session)?.endsIn(limits.sessionMs, '4.4.2 The session has reached its time limit');
}

/** A message is in progress from now on, until the result is called with its reply. */
function beginData(session: SMTPServerSession, { connectionOf, limits }: HandlerContext): (give: () => void) => void {
  const connection = connectionOf(session);
  if (connection) connection.isReceiving = true;
  const late = setTimeout(() => connection?.send(421, '4.4.2 The message takes too long'), limits.dataMs);
  return (give) => {
    clearTimeout(late);
    if (connection) connection.isReceiving = false;
    give();
  };
}

/** Our own faults are logged, and the client is asked to try again. */
function replyOf(error: Error, { log }: HandlerContext): SmtpRejection {
  if (error instanceof SmtpRejection) return error;
  if (isGone(error)) log.debug({ err: error }, 'SMTP: a client disconnected during a message');
  else log.error({ err: error }, 'SMTP: a message could not be received');
  return new SmtpRejection(451, '4.3.0 Internal error: send it again later');
}

function isGone({ code }: NodeJS.ErrnoException): boolean {
  return code === 'ECONNECTION' || code === 'ERR_STREAM_PREMATURE_CLOSE';
}
