/** The doctor's look at Entra: does it answer, does it give a token, and is the token what Exchange wants. */
import { failed, ok, skipped, type Step, warning } from '../core/admin/checkup.ts';
import { findEntra } from '../core/replies/entra-table.ts';
import { findNetworkToEntra } from '../core/replies/network-table.ts';
import { type Application, isManaged, type Registration } from './credential.ts';
import { openTokenSource } from './tokens.ts';

export interface EntraDiagnosis {
  readonly steps: readonly Step[];
  /** Undefined when Entra gave none. */
  readonly token: string | undefined;
  /** The service principal's, as the token names it: that of the enterprise application. */
  readonly objectId: string | undefined;
}

const TIMEOUT_MS = 15_000;
const ROLE = 'SMTP.SendAsApp';

/** Asks for a new token, so that a credential is tried and not a memory of it. */
export async function diagnoseEntra(application: Application, now: Date): Promise<EntraDiagnosis> {
  const authority = isManaged(application)
    ? skipped('authority', 'The platform asks Entra for its managed identity.')
    : await checkAuthority(application, now);
  if (authority.status === 'failed') {
    const because = 'Entra could not be asked.';
    return {
      steps: [authority, skipped('token', because), skipped('consent', because)],
      token: undefined,
      objectId: undefined,
    };
  }
  const result = await openTokenSource(application).getToken({ renew: true });
  if (!result.ok) {
    const fault = findEntra(result.code) ?? findNetworkToEntra(result.code);
    const steps = [authority, failed('token', result.error, fault), skipped('consent', 'There is no token.')];
    return { steps, token: undefined, objectId: undefined };
  }
  const seen = `of ${CREDENTIALS[application.credential.kind]}, good until ${result.expiresAt.toISOString()}`;
  const claims = readClaims(result.token);
  const steps = [authority, ok('token', seen), checkClaims(claims, application)];
  return { steps, token: result.token, objectId: claims?.oid };
}

const CREDENTIALS = {
  secret: 'the client secret',
  certificate: 'the certificate credential',
  federated: 'the federated credential',
  'managed-identity': 'the managed identity',
} as const;

/** The tenant's metadata: it needs no credential, so that a fault here is one of the way or of the tenant's id. */
async function checkAuthority({ authorityHost, tenantId }: Registration, now: Date): Promise<Step> {
  const url = `${authorityHost.replace(/\/+$/, '')}/${tenantId}/v2.0/.well-known/openid-configuration`;
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) });
    const text = await response.text();
    const code = /AADSTS\d+/.exec(text)?.[0];
    if (code) return failed('authority', text.slice(0, 300), findEntra(code));
    const seen = `${authorityHost} knows the tenant ${tenantId}`;
    if (response.ok && isMetadata(text)) return checkClock(seen, response.headers.get('date'), now);
    return failed('authority', `${url} answers ${response.status}: ${text.slice(0, 100)}`, NOT_ENTRA);
  } catch (error) {
    const { cause, message } = error as Error & { cause?: NodeJS.ErrnoException };
    return failed('authority', `${url}: ${cause?.message ?? message}`, findNetworkToEntra(cause?.code) ?? SILENT);
  }
}

/** Beyond it, Entra takes no assertion of a certificate, and certificates of servers end early or late. */
const CLOCK_OFF_MINUTES_MAX = 5;

function checkClock(seen: string, date: string | null, now: Date): Step {
  const minutesOff = date === null ? 0 : Math.round((now.getTime() - Date.parse(date)) / 60_000);
  // An answer without a date that can be read tells nothing of the clock.
  if (!(Math.abs(minutesOff) > CLOCK_OFF_MINUTES_MAX)) return ok('authority', seen);
  const clock = `this machine's clock is ${Math.abs(minutesOff)} minutes ${minutesOff > 0 ? 'fast' : 'throttle'}`;
  return warning('authority', `${seen}; ${clock}`, CLOCK_OFF);
}

const CLOCK_OFF = {
  explanation:
    'With a wrong clock Entra refuses certificates and federated tokens (AADSTS700024), and times in logs are wrong.',
  fix: 'Set the clock: timedatectl set-ntp true',
};

const NOT_ENTRA = {
  explanation: "This is not Entra's answer: a captive portal or a proxy stands in between.",
  fix: 'Let this machine reach https://login.microsoftonline.com without a proxy that answers in its place.',
};

const SILENT = {
  explanation: 'Entra could not be reached.',
  fix: 'Open outbound port 443 to login.microsoftonline.com; check AZURE_AUTHORITY_HOST.',
};

function isMetadata(text: string): boolean {
  try {
    return typeof (JSON.parse(text) as { token_endpoint?: unknown }).token_endpoint === 'string';
  } catch {
    return false;
  }
}

interface Claims {
  readonly aud?: string;
  readonly roles?: readonly string[];
  readonly oid?: string;
}

/** A token without the role is given all the same, and Exchange then says only 535 5.7.3. */
function checkClaims(claims: Claims | undefined, { credential, scope }: Application): Step {
  if (!claims) return ok('consent', 'The token can not be looked into; Exchange will say.');
  const { aud = 'nobody', roles = [] } = claims;
  const seen = `for ${aud}, with the roles ${roles.join(', ') || '(none)'}`;
  if (!isForExchange(aud, scope)) return failed('consent', seen, WRONG_AUDIENCE);
  if (roles.includes(ROLE)) return ok('consent', seen);
  return failed('consent', seen, credential.kind === 'managed-identity' ? NOT_ASSIGNED : NO_CONSENT);
}

const WRONG_AUDIENCE = {
  explanation: 'The token is for another service than Exchange, which refuses it with 535 5.7.3.',
  fix: 'Check M365_CLOUD: it sets the scope. A token for Microsoft Graph does not do.',
};

const NO_CONSENT = {
  explanation: `The app has no consent to ${ROLE}, so Exchange will answer 535 5.7.3.`,
  fix: `Entra admin center > App registrations > the app > API permissions > Add > APIs my organization uses > Office 365 Exchange Online > Application permissions (not delegated ones) > ${ROLE}, then "Grant admin consent".`,
};

const NOT_ASSIGNED = {
  explanation: `The managed identity does not have the role ${ROLE}, so Exchange will answer 535 5.7.3.`,
  fix: `No portal page can give it: assign the app role ${ROLE} of Office 365 Exchange Online to it, as docs/connect-your-tenant.md shows.`,
};

function isForExchange(aud: string, scope: string): boolean {
  const host = (url: string) => /^https:\/\/([^/]+)/.exec(url)?.[1];
  return host(aud) === host(scope) || aud === 'https://outlook.office.com';
}

function readClaims(token: string): Claims | undefined {
  try {
    return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8')) as Claims;
  } catch {
    return undefined;
  }
}
