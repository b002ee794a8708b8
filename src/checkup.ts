/**
 * The doctor: walks a mailbox's whole chain, from the configuration to MAIL FROM, and stops at nothing that it can
 * still look at. It sends no mail.
 */
import { lookup } from 'node:dns/promises';
import { connect } from 'node:net';
import type { LoginConfig, MailboxConfig } from './config/mailbox-config.ts';
import { CLOUDS } from './core/clouds.ts';
import { type Checkup, makeCheckup, ok, skipped, type Step, warning } from './core/checkup.ts';
import { PASSWORDS_END } from './core/password-end.ts';
import { isManaged } from './entra/credential.ts';
import { CREDENTIAL_WARNING_DAYS, credentialEnd, daysUntil } from './entra/credential-end.ts';
import { type EntraExamination, examineEntra } from './entra/examine.ts';
import type { Proof } from './smtp/connection.ts';
import { examineLogin, examineSenders, examineServer, type ServerSession } from './smtp/examine.ts';

/** Gives a connection's place among those that the mailbox may have, and takes it back; undefined when there is none. */
export type TakeSeat = () => Promise<{ release(): Promise<void> } | undefined>;

export const NO_SEAT_NEEDED: TakeSeat = () => Promise.resolve({ release: () => Promise.resolve() });

/** Never throws for what Exchange, Entra or the network do. */
export async function examine(config: MailboxConfig, takeSeat: TakeSeat, now: () => Date): Promise<Checkup> {
  const { mailbox, host, port, login } = config;
  const configuration = await checkConfiguration(config, now());
  const server = await examineServer({ host, port }, mailbox.limits.messageSizeBytesMax, () => isOnline(login));
  try {
    const entra = await examineCredential(login);
    const proof = proofOf(mailbox.address, login, entra.token);
    const session = await checkSession(config, server.session, proof, entra, takeSeat);
    return makeCheckup(mailbox.address, now(), [configuration, ...server.steps, ...entra.steps, ...session]);
  } finally {
    server.session?.dialogue.close();
  }
}

async function checkConfiguration({ mailbox, login, secretExpires }: MailboxConfig, now: Date): Promise<Step> {
  const who = `${mailbox.address} by ${LOGINS[login.kind === 'password' ? 'password' : login.application.credential.kind]}`;
  if (login.kind === 'password') return warning('configuration', who, PASSWORDS_END);
  const end = await credentialEnd(login.application.credential, secretExpires);
  if (!end) return ok('configuration', who);
  const days = daysUntil(end, now);
  const seen = `${who}, which ends on ${end.toISOString().slice(0, 10)} (${days} days)`;
  return days > CREDENTIAL_WARNING_DAYS ? ok('configuration', seen) : warning('configuration', seen, ENDS_SOON);
}

const LOGINS = {
  password: 'password',
  secret: 'client secret',
  certificate: 'certificate',
  federated: 'federated token (workload identity)',
  'managed-identity': 'managed identity',
} as const;

const ENDS_SOON = {
  explanation: 'When the credential has ended, no mail goes out.',
  fix: 'Make a new one in the Entra admin center (App registrations > the app > Certificates & secrets), set it, and send SIGHUP.',
};

async function examineCredential(login: LoginConfig): Promise<EntraExamination> {
  if (login.kind === 'oauth') return examineEntra(login.application);
  const because = 'The login is by password.';
  const steps = (['authority', 'token', 'consent'] as const).map((id) => skipped(id, because));
  return { steps, token: undefined };
}

function proofOf(address: string, login: LoginConfig, token: string | undefined): Proof | undefined {
  if (login.kind === 'password') return login;
  return token === undefined ? undefined : { kind: 'token', user: address, token };
}

async function checkSession(
  { mailbox }: MailboxConfig,
  session: ServerSession | undefined,
  proof: Proof | undefined,
  entra: EntraExamination,
  takeSeat: TakeSeat,
): Promise<Step[]> {
  if (!session || !proof) {
    return skipBoth(session ? 'There is nothing to log in with.' : 'There is no trusted connection to Exchange.');
  }
  const seat = await takeSeat();
  if (!seat) return skipBoth('All connections that this mailbox may have are in use. Try again in a moment.');
  try {
    const step = await examineLogin(session, proof);
    if (step.status !== 'ok')
      return [knowingTheToken(step, entra), skipped('senders', 'Exchange did not take the login.')];
    return [step, await examineSenders(session, [mailbox.address, ...mailbox.sendAs])];
  } catch (error) {
    return [{ id: 'login', status: 'failed', seen: (error as Error).message }];
  } finally {
    session.dialogue.close();
    await seat.release();
  }
}

function skipBoth(because: string): Step[] {
  return [skipped('login', because), skipped('senders', because)];
}

/** 535 5.7.3 has many causes; a token that is right leaves those in Exchange. */
function knowingTheToken(step: Step, { steps }: EntraExamination): Step {
  const isRight = steps.some(({ id, status }) => id === 'consent' && status === 'ok');
  if (!isRight || !/\b5\.7\.3\b/.test(step.seen)) return step;
  return { ...step, ...MAILBOX_PERMISSION };
}

const MAILBOX_PERMISSION = {
  meaning: 'The token is right, so Exchange does not let this app into this mailbox.',
  fix: 'In Exchange Online PowerShell: New-ServicePrincipal -AppId <client id> -ObjectId <object id of the ENTERPRISE APPLICATION, not of the app registration>; Add-MailboxPermission -Identity <mailbox> -User <service principal> -AccessRights FullAccess. Check that the mailbox exists and has a licence. Changes take up to an hour.',
};

const ONLINE_TIMEOUT_MS = 5_000;

/** Whether Entra's host can be reached: then a silent SMTP port is a blocked one. */
async function isOnline(login: LoginConfig): Promise<boolean> {
  const { hostname, port } = new URL(
    login.kind === 'oauth' && !isManaged(login.application)
      ? login.application.authorityHost
      : CLOUDS.global.authorityHost,
  );
  try {
    await lookup(hostname);
  } catch {
    return false;
  }
  return new Promise((resolve) => {
    const socket = connect({ host: hostname, port: Number(port || 443), timeout: ONLINE_TIMEOUT_MS });
    const end = (reached: boolean) => {
      socket.destroy();
      resolve(reached);
    };
    socket
      .once('connect', () => end(true))
      .once('error', () => end(false))
      .once('timeout', () => end(false));
  });
}
