/**
 * The doctor checks everything that a mailbox needs for sending, from the configuration to MAIL FROM. After a failed step
 * it still checks all that does not depend on it. It sends no message.
 */
import { lookup } from 'node:dns/promises';
import { connect } from 'node:net';
import type { LoginConfig, MailboxConfig } from '../config/mailbox-config.ts';
import { CLOUDS } from '../core/mailbox/clouds.ts';
import {
  type Diagnosis,
  failed,
  fillIn,
  makeDiagnosis,
  ok,
  skipped,
  type Step,
  warning,
} from '../core/admin/diagnosis.ts';
import { PASSWORDS_END } from '../core/mailbox/password-end.ts';
import { type Application, isManaged } from '../entra/credential.ts';
import { CREDENTIAL_WARNING_DAYS, credentialEnd, daysUntil } from '../entra/credential-end.ts';
import { type EntraDiagnosis, diagnoseEntra } from '../entra/doctor.ts';
import type { Credentials } from '../smtp/connection.ts';
import { diagnoseLogin, diagnoseSenders, diagnoseServer, type ServerSession } from '../smtp/doctor.ts';

/** Takes one of the mailbox's connection leases, to be released later. Undefined if none is free. */
export type TakeGuestLease = () => Promise<{ release(): Promise<void> } | undefined>;

export const NO_LEASE_NEEDED: TakeGuestLease = () => Promise.resolve({ release: () => Promise.resolve() });

/** Checks one mailbox. Failures of Exchange, Entra and the network are steps; it does not throw for them. */
export async function diagnose(
  config: MailboxConfig,
  takeGuestLease: TakeGuestLease,
  now: () => Date,
): Promise<Diagnosis> {
  const { mailbox, host, port, login } = config;
  const configuration = await checkConfiguration(config, now());
  const server = await diagnoseServer({ host, port }, mailbox.limits.messageSizeBytesMax, () => isOnline(login));
  try {
    const entra = await diagnoseCredential(login, now());
    const session = await checkSession(config, server.session, entra, takeGuestLease);
    const steps = [configuration, ...server.steps, ...entra.steps, ...session];
    const known = knownNames(config, entra.objectId);
    return makeDiagnosis(
      mailbox.address,
      now(),
      steps.map((step) => fillIn(step, known)),
    );
  } finally {
    server.session?.dialogue.close();
  }
}

/** The values for the placeholders in the tables. */
function knownNames({ mailbox, login }: MailboxConfig, objectId: string | undefined) {
  const clientId = login.kind === 'oauth' && !isManaged(login.application) ? login.application.clientId : undefined;
  return { mailbox: mailbox.address, 'client id': clientId, 'object id': objectId, 'service principal': objectId };
}

async function checkConfiguration({ mailbox, login, secretExpires }: MailboxConfig, now: Date): Promise<Step> {
  const who = `${mailbox.address} by ${LOGINS[login.kind === 'password' ? 'password' : login.application.credential.kind]}`;
  if (login.kind === 'password') return warning('configuration', who, PASSWORDS_END);
  if (isSecretId(login.application.credential)) return warning('configuration', who, SECRET_ID);
  const end = await credentialEnd(login.application.credential, secretExpires);
  if (!end) return ok('configuration', who);
  const days = daysUntil(end, now);
  const seen = `${who}, expires on ${end.toISOString().slice(0, 10)} (${days} days)`;
  return days > CREDENTIAL_WARNING_DAYS ? ok('configuration', seen) : warning('configuration', seen, ENDS_SOON);
}

const LOGINS = {
  password: 'password',
  secret: 'client secret',
  certificate: 'certificate',
  federated: 'federated token (workload identity)',
  'managed-identity': 'managed identity',
} as const;

/** The ID of an Entra secret is always a UUID, and the secret itself never is. */
function isSecretId(credential: Application['credential']): boolean {
  return credential.kind === 'secret' && /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i.test(credential.secret);
}

const SECRET_ID = {
  explanation: "The client secret looks like a secret's ID. Entra requires its VALUE, and shows that only once.",
  fix: 'Entra admin center > App registrations > the app > Certificates & secrets: create a new secret, copy its VALUE, and set AZURE_CLIENT_SECRET.',
};

const ENDS_SOON = {
  explanation: 'After the credential has expired, no message can be sent.',
  fix: 'Create a new one in the Entra admin center (App registrations > the app > Certificates & secrets), set it, and send SIGHUP.',
};

async function diagnoseCredential(login: LoginConfig, now: Date): Promise<EntraDiagnosis> {
  if (login.kind === 'oauth') return diagnoseEntra(login.application, now);
  const because = 'The login uses a password.';
  const steps = (['authority', 'token', 'consent'] as const).map((id) => skipped(id, because));
  return { steps, token: undefined, objectId: undefined };
}

function credentialsOf(address: string, login: LoginConfig, token: string | undefined): Credentials | undefined {
  if (login.kind === 'password') return login;
  return token === undefined ? undefined : { kind: 'token', user: address, token };
}

async function checkSession(
  { mailbox, login }: MailboxConfig,
  session: ServerSession | undefined,
  entra: EntraDiagnosis,
  takeGuestLease: TakeGuestLease,
): Promise<Step[]> {
  const credentials = credentialsOf(mailbox.address, login, entra.token);
  if (!session || !credentials) {
    return skipBoth(session ? 'There is no token to log in with.' : 'There is no trusted connection to Exchange.');
  }
  const lease = await takeGuestLease();
  if (!lease) return skipBoth('All connections that this mailbox is allowed are in use. Try again in a moment.');
  try {
    const step = await diagnoseLogin(session, credentials);
    if (step.status !== 'ok')
      return [explainLogin(step, entra), skipped('senders', 'Exchange did not accept the login.')];
    return [step, await diagnoseSenders(session, [mailbox.address, ...mailbox.sendAs])];
  } finally {
    session.dialogue.close();
    await lease.release();
  }
}

function skipBoth(because: string): Step[] {
  return [skipped('login', because), skipped('senders', because)];
}

/** 535 5.7.3 has many causes. If the token is right, the cause is in Exchange. */
function explainLogin(step: Step, { steps }: EntraDiagnosis): Step {
  const consent = steps.find(({ id }) => id === 'consent')?.status;
  if (!/\b5\.7\.3\b/.test(step.seen)) return step;
  if (consent === 'ok') return { ...step, ...MAILBOX_PERMISSION };
  return consent === 'failed' ? failed('login', step.seen, TOKEN_AT_FAULT) : step;
}

const TOKEN_AT_FAULT = {
  explanation: 'Exchange refuses the token for the reason found above.',
  fix: 'Fix the token first.',
};

const MAILBOX_PERMISSION = {
  meaning:
    'The token is right, so Exchange does not allow this app to use this mailbox. Its service principal does not exist ' +
    'in Exchange, or was created with the object ID of the app registration; or it has no permission on the mailbox; or ' +
    'the mailbox does not exist or has no licence.',
  // The token contains the right object id.
  fix:
    'In Exchange Online PowerShell (if a service principal with another object ID exists: Remove-ServicePrincipal first):\n' +
    'New-ServicePrincipal -AppId <client id> -ObjectId <object id>\n' +
    'Add-MailboxPermission -Identity <mailbox> -User <object id> -AccessRights FullAccess\n' +
    'The object ID is that of the ENTERPRISE APPLICATION. Changes take up to an hour.',
};

const ONLINE_TIMEOUT_MS = 5_000;

/** Whether Entra's host is reachable. If it is, an SMTP port that does not answer is blocked. */
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
