/**
 * AUTH PLAIN and LOGIN: the user name is the name of an API key, the password its secret. A wrong login is answered late,
 * and after too many of them the network is blocked for a while.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { SMTPServerAuthentication, SMTPServerSession } from 'smtp-server';
import { ANYONE, type ApiKey, findKey } from '../core/submit/api-key.ts';
import type { KeyGuard } from '../core/submit/key-guard.ts';
import { isLoopback } from '../lib/ip.ts';
import type { SmtpClient } from './clients.ts';
import type { SmtpInLimits } from './limits.ts';
import type { Log } from './log.ts';
import { MUST_STARTTLS, SmtpRejection } from './reply.ts';

export interface LoginContext {
  readonly keys: () => readonly ApiKey[];
  readonly isTrusted: (address: string) => boolean;
  readonly guard: KeyGuard;
  readonly limits: SmtpInLimits;
  readonly log: Log;
}

const WRONG = '5.7.8 Wrong login: the user name is the name of an API key, the password its secret';

/** @throws SmtpRejection when the login is refused. */
export async function logIn(
  { authcid, authzid, username = '', password }: SMTPServerAuthentication,
  session: SMTPServerSession,
  { keys, isTrusted, guard, limits, log }: LoginContext,
): Promise<SmtpClient> {
  const { remoteAddress } = session;
  // smtp-server asks only where AUTH was offered. A password in clear text is never checked.
  if (!session.secure && !isTrusted(remoteAddress)) throw new SmtpRejection(530, MUST_STARTTLS);
  const known = keys();
  if (known.length === 0 && isLoopback(remoteAddress)) return ANYONE;
  const actsForAnother = authzid !== undefined && authzid !== '' && authcid !== '' && authzid !== authcid;
  const key = actsForAnother ? undefined : findKey(known, password ?? '', username);
  const verdict = await guard(remoteAddress, key?.name);
  if (verdict.kind === 'blocked')
    throw new SmtpRejection(421, `4.7.0 Too many wrong logins: try again in ${verdict.seconds} s`);
  if (verdict.kind === 'wrong' && verdict.isLast) log.warn({ ip: remoteAddress }, 'SMTP: too many wrong logins');
  if (key?.scopes.includes('send')) return key;
  if (key) throw new SmtpRejection(535, `5.7.1 Key "${key.name}" lacks the scope "send"`);
  await sleep(limits.wrongLoginDelayMs, undefined, { ref: false });
  throw new SmtpRejection(535, WRONG);
}
