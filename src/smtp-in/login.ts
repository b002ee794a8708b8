/**
 * AUTH PLAIN and LOGIN: the user is the name of an API key, the password its secret. Guessing is slow, and soon over: a
 * wrong login is answered late, and after too many of them no login from there is looked at.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { SMTPServerAuthentication, SMTPServerSession } from 'smtp-server';
import { ANYONE, type ApiKey, findKey, isLoopbackAddress } from '../core/submit/api-key.ts';
import type { KeyGuard } from '../core/submit/key-guard.ts';
import type { SmtpClient } from './clients.ts';
import type { SmtpInLimits } from './limits.ts';
import type { Log } from './log.ts';
import { MUST_STARTTLS, Reply } from './reply.ts';

export interface LoginContext {
  readonly keys: () => readonly ApiKey[];
  readonly isTrusted: (address: string) => boolean;
  readonly guard: KeyGuard;
  readonly limits: SmtpInLimits;
  readonly log: Log;
}

const WRONG = '5.7.8 No such key: the user is the name of an API key, the password its secret';

/** @throws Reply when the login is refused. */
export async function logIn(
  { authcid, authzid, username = '', password }: SMTPServerAuthentication,
  session: SMTPServerSession,
  { keys, isTrusted, guard, limits, log }: LoginContext,
): Promise<SmtpClient> {
  const { remoteAddress } = session;
  // smtp-server asks only where AUTH was offered; a password in clear text is not judged even so.
  if (!session.secure && !isTrusted(remoteAddress)) throw new Reply(530, MUST_STARTTLS);
  const known = keys();
  if (known.length === 0 && isLoopbackAddress(remoteAddress)) return ANYONE;
  const actsForAnother = authzid !== undefined && authzid !== '' && authcid !== '' && authzid !== authcid;
  const key = actsForAnother ? undefined : findKey(known, password ?? '', username);
  const action = guard(remoteAddress, key?.name);
  if (action.kind === 'blocked') throw new Reply(421, `4.7.0 Too many wrong logins: wait ${action.seconds} s`);
  if (action.kind === 'wrong' && action.isLast) log.warn({ ip: remoteAddress }, 'SMTP: too many wrong logins');
  if (key?.scopes.includes('send')) return key;
  if (key) throw new Reply(535, `5.7.1 The key ${key.name} has not the scope send`);
  await sleep(limits.wrongLoginDelayMs, undefined, { ref: false });
  throw new Reply(535, WRONG);
}
