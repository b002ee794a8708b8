/** The AUTH command, with the two mechanisms of Exchange Online's submission: XOAUTH2 and LOGIN. */
import type { Credentials } from './login.ts';
import * as replies from './replies.ts';
import type { Command } from './smtp-command.ts';
import type { Answer, SmtpSession } from './smtp-session.ts';

const { REPLIES } = replies;

/** Reads the credentials, checks the login and answers. */
export async function authenticate(session: SmtpSession, { rest }: Command): Promise<void> {
  const [mechanism = '', initial] = rest.split(/\s+/);
  const refusal = refusalOfAuth(session, mechanism.toUpperCase());
  if (refusal !== undefined) return session.answer({ reply: refusal });
  const credentials =
    mechanism.toUpperCase() === 'LOGIN' ? await readLogin(session, initial) : await readToken(session, initial);
  if (credentials === undefined) return;
  if (credentials === 'cancelled') return session.answer({ reply: REPLIES.authCancelled });
  await session.perform('auth', () => login(session, credentials), { mailbox: credentials.user });
}

function refusalOfAuth(session: SmtpSession, mechanism: string): string | undefined {
  if (session.client === undefined) return REPLIES.helloFirst;
  if (!session.secure) return REPLIES.startTlsFirst;
  if (session.mailbox) return REPLIES.alreadyAuthenticated;
  return mechanism === 'LOGIN' || mechanism === 'XOAUTH2' ? undefined : REPLIES.unknownMechanism;
}

async function login(session: SmtpSession, credentials: Credentials): Promise<Answer> {
  const check = await session.host.login(credentials);
  if (check.kind === 'refused') return { reply: replies.loginRefused(check.refusal, session.now, session.id) };
  const { mailbox } = check;
  return {
    reply: REPLIES.authenticated,
    next: () => {
      session.mailbox = mailbox;
      mailbox.connect(session);
      session.gone.addEventListener('abort', () => mailbox.disconnect(session), { once: true });
      if (session.gone.aborted) mailbox.disconnect(session);
    },
  };
}

type Read = Credentials | 'cancelled' | undefined;

/** `user=MAILBOX ^A auth=Bearer TOKEN ^A ^A` */
async function readToken(session: SmtpSession, initial: string | undefined): Promise<Read> {
  const response = initial ?? (await challenge(session, REPLIES.empty));
  if (response === undefined) return undefined;
  const [, user, token] = /^user=([^\x01]*)\x01auth=Bearer ([^\x01]*)\x01\x01$/i.exec(decode(response)) ?? [];
  return user === undefined || token === undefined ? 'cancelled' : { kind: 'token', user, token };
}

async function readLogin(session: SmtpSession, initial: string | undefined): Promise<Read> {
  const user = initial ?? (await challenge(session, REPLIES.userName));
  if (user === undefined || user === '*') return user === undefined ? undefined : 'cancelled';
  const password = await challenge(session, REPLIES.password);
  if (password === undefined || password === '*') return password === undefined ? undefined : 'cancelled';
  return { kind: 'password', user: decode(user), password: decode(password) };
}

/** Undefined if the client has disconnected. */
async function challenge(session: SmtpSession, reply: string): Promise<string | undefined> {
  await session.answer({ reply });
  const line = await session.wait(session.reader.readLine());
  if (line === undefined) return undefined;
  return line.kind === 'line' ? line.text : '*';
}

function decode(base64: string): string {
  return Buffer.from(base64, 'base64').toString('utf8');
}
