/** What smtp-server asks of us while a session goes on: who the client is, and what becomes of its mail. */
import type { SMTPServerOptions, SMTPServerSession } from 'smtp-server';
import type { Connection } from './connection.ts';
import { type LoginContext, logIn } from './login.ts';
import { beginMail, checkRecipient, type MailContext, takeMail } from './mail.ts';
import { Reply } from './reply.ts';

export interface HandlerContext extends LoginContext, MailContext {
  readonly hasTls: () => boolean;
  readonly connectionOf: (session: SMTPServerSession) => Connection | undefined;
}

type Handlers = Required<
  Pick<SMTPServerOptions, 'onConnect' | 'onSecure' | 'onAuth' | 'onMailFrom' | 'onRcptTo' | 'onData'>
>;

/** What sendmail once had, and what is for proxies: no client needs it. */
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
    onMailFrom: (sender, session, done) => answer(() => beginMail(sender, session, context), done),
    onRcptTo: (address, _session, done) => answer(async () => checkRecipient(address), done),
    onData: (stream, session, done) => {
      const finish = beginData(session, context);
      takeMail(stream, session, context).then(
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
  if (clientOf(session)) connectionOf(session)?.endsIn(limits.sessionMs, '4.4.2 The session is too long');
}

/** A mail is being received from now on, until the answer to it is given by what comes back. */
function beginData(session: SMTPServerSession, { connectionOf, limits }: HandlerContext): (give: () => void) => void {
  const connection = connectionOf(session);
  if (connection) connection.isReceiving = true;
  const late = setTimeout(() => connection?.send(421, '4.4.2 The mail takes too long'), limits.dataMs);
  return (give) => {
    clearTimeout(late);
    if (connection) connection.isReceiving = false;
    give();
  };
}

/** A fault of ours is told in the log, and to the client as something that may be over by the next time. */
function replyOf(error: Error, { log }: HandlerContext): Reply {
  if (error instanceof Reply) return error;
  if (isGone(error)) log.debug({ err: error }, 'SMTP: a client went away in the middle of a mail');
  else log.error({ err: error }, 'SMTP: a mail could not be taken');
  return new Reply(451, '4.3.0 A fault of this server: send it again later');
}

function isGone({ code }: NodeJS.ErrnoException): boolean {
  return code === 'ECONNECTION' || code === 'ERR_STREAM_PREMATURE_CLOSE';
}
