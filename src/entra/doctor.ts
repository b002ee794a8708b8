/** The doctor's checks of Entra: does it answer, does it issue a token, and is the token right for Exchange. */
import { failed, ok, skipped, type Step, warning } from '../core/admin/diagnosis.ts';
import { findEntra } from '../core/replies/entra-table.ts';
import { findNetworkToEntra } from '../core/replies/network-table.ts';
import { causeOf, codeOf, messageOf } from '../lib/errors.ts';
import { type Application, isManaged, type Registration } from './credential.ts';
import { openTokenSource } from './tokens.ts';

export interface EntraDiagnosis {
  readonly steps: readonly Step[];
  /** Undefined if Entra issued none. */
  readonly token: string | undefined;
  /** The object id in the token: that of the service principal, which is the enterprise application. */
  readonly objectId: string | undefined;
}

const TIMEOUT_MS = 15_000;
const ROLE = 'SMTP.SendAsApp';

/** Asks for a new token, so that the credential is tested and not a cached token. */
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
  const seen = `from ${CREDENTIALS[application.credential.kind]}, valid until ${result.expiresAt.toISOString()}`;
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

/** Reads the tenant's metadata. It needs no credential, so a failure is one of the network or of the tenant id. */
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
    const cause = causeOf(error);
    return failed('authority', `${url}: ${messageOf(cause)}`, findNetworkToEntra(codeOf(cause)) ?? SILENT);
  }
}

/** With a larger offset Entra refuses assertions, and server certificates seem to be expired or not yet valid. */
const CLOCK_OFF_MINUTES_MAX = 5;

function checkClock(seen: string, date: string | null, now: Date): Step {
  const minutesOff = date === null ? 0 : Math.round((now.getTime() - Date.parse(date)) / 60_000);
  // An answer without a readable date says nothing about the clock.
  if (!(Math.abs(minutesOff) > CLOCK_OFF_MINUTES_MAX)) return ok('authority', seen);
  const clock = `this machine's clock is ${Math.abs(minutesOff)} minutes ${minutesOff > 0 ? 'fast' : 'slow'}`;
  return warning('authority', `${seen}; ${clock}`, CLOCK_OFF);
}

const CLOCK_OFF = {
  explanation:
    'With a wrong clock Entra refuses certificates and federated tokens (AADSTS700024), and times in logs are wrong.',
  fix: 'Set the clock: timedatectl set-ntp true',
};

const NOT_ENTRA = {
  explanation: "This answer is not Entra's: it comes from a captive portal or a proxy on the way.",
  fix: 'Let this machine reach https://login.microsoftonline.com without a proxy that answers instead of Entra.',
};

const SILENT = {
  explanation: 'Entra is not reachable.',
  fix: 'Open outbound port 443 to login.microsoftonline.com. Check AZURE_AUTHORITY_HOST.',
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

/** Entra issues a token without the role, too, and Exchange then answers only 535 5.7.3. */
function checkClaims(claims: Claims | undefined, { credential, scope }: Application): Step {
  if (!claims) return ok('consent', 'The token cannot be decoded. The login will show whether Exchange accepts it.');
  const { aud = '(no audience)', roles = [] } = claims;
  const seen = `for ${aud}, with the roles ${roles.join(', ') || '(none)'}`;
  if (!isForExchange(aud, scope)) return failed('consent', seen, WRONG_AUDIENCE);
  if (roles.includes(ROLE)) return ok('consent', seen);
  return failed('consent', seen, credential.kind === 'managed-identity' ? NOT_ASSIGNED : NO_CONSENT);
}

const WRONG_AUDIENCE = {
  explanation: 'The token is not for Exchange, which refuses it with 535 5.7.3.',
  fix: 'Check M365_CLOUD, which sets the scope. A token for Microsoft Graph does not work.',
};

const NO_CONSENT = {
  explanation: `The app has no consent to ${ROLE}, so Exchange will answer 535 5.7.3.`,
  fix: `Entra admin center > App registrations > the app > API permissions > Add > APIs my organization uses > Office 365 Exchange Online > Application permissions (not delegated ones) > ${ROLE}, then "Grant admin consent".`,
};

const NOT_ASSIGNED = {
  explanation: `The managed identity does not have the role ${ROLE}, so Exchange will answer 535 5.7.3.`,
  fix: `No page of the portal can assign it: assign the app role ${ROLE} of Office 365 Exchange Online to it, as docs/connect-your-tenant.md shows.`,
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
