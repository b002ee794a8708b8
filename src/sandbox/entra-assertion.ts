/** Checks a client assertion (RFC 7523): an app's own, signed with its certificate, or the token of a federated issuer. */
import { createHash, createPublicKey, X509Certificate } from 'node:crypto';
import { compactVerify, decodeJwt, decodeProtectedHeader, type JWTPayload, type ProtectedHeaderParameters } from 'jose';
import type { App, FederatedCredential } from './entra-directory.ts';
import type { EntraErrorName } from './entra-errors.ts';

export type CredentialCheck =
  | { readonly kind: 'valid' }
  | { readonly kind: 'refused'; readonly error: EntraErrorName; readonly detail?: string };

export interface AssertionContext {
  readonly app: App;
  /** Authority host and tenant: the audience of an app's own assertion must begin with it. */
  readonly authority: string;
  readonly nowSeconds: number;
}

interface Jwt {
  readonly token: string;
  readonly header: ProtectedHeaderParameters;
  readonly claims: JWTPayload;
}

/** The algorithms that Entra accepts. */
const ALGORITHMS = ['RS256', 'PS256', 'ES256'];
const FEDERATED_AUDIENCE = 'api://AzureADTokenExchange';
/** The clock difference that Entra tolerates. */
const CLOCK_SKEW_SECONDS = 300;

/** Whether the assertion authenticates the app. */
export async function checkAssertion(assertion: string, context: AssertionContext): Promise<CredentialCheck> {
  const jwt = decode(assertion);
  if (!jwt) return { kind: 'refused', error: 'wrongAssertion', detail: 'The token could not be read.' };
  const federated = jwt.claims.iss !== context.app.clientId;
  const check = federated ? await checkFederated(jwt, context) : await checkOwn(jwt, context);
  return check.kind === 'valid' ? checkTime(jwt, context.nowSeconds) : check;
}

/** Decodes a token without verifying it. Undefined if it is not a token. */
function decode(token: string): Jwt | undefined {
  try {
    return { token, header: decodeProtectedHeader(token), claims: decodeJwt(token) };
  } catch {
    return undefined;
  }
}

/** Whether the key in this PEM made the signature. */
async function isSignedBy({ token }: Jwt, pem: string): Promise<boolean> {
  try {
    await compactVerify(token, createPublicKey(pem), { algorithms: ALGORITHMS });
    return true;
  } catch {
    return false;
  }
}

async function checkOwn(jwt: Jwt, { app, authority }: AssertionContext): Promise<CredentialCheck> {
  const signed = await Promise.all(app.certificates.map((pem) => isSignedBy(jwt, pem)));
  if (!signed.includes(true)) return { kind: 'refused', error: 'wrongAssertion', detail: whyNotRegistered(jwt, app) };
  const audience = String(jwt.claims.aud).toLowerCase();
  return audience.startsWith(authority.toLowerCase())
    ? { kind: 'valid' }
    : { kind: 'refused', error: 'assertionAudience' };
}

function whyNotRegistered({ header }: Jwt, app: App): string {
  const thumbprint = header['x5t#S256'] ?? header['x5t'];
  const found = app.certificates.some((pem) => thumbprintsOf(pem).includes(String(thumbprint)));
  const reason = found ? 'Key was found, but use of the key to verify the signature failed.' : 'The key was not found.';
  return `${reason}, Thumbprint of key used by client: '${hex(thumbprint)}'`;
}

function thumbprintsOf(pem: string): string[] {
  if (!pem.includes('BEGIN CERTIFICATE')) return [];
  const { raw } = new X509Certificate(pem);
  return ['sha1', 'sha256'].map((hash) => createHash(hash).update(raw).digest('base64url'));
}

function hex(thumbprint: unknown): string {
  return Buffer.from(String(thumbprint ?? ''), 'base64url')
    .toString('hex')
    .toUpperCase();
}

async function checkFederated(jwt: Jwt, { app }: AssertionContext): Promise<CredentialCheck> {
  const record = app.federated.find((credential) => isFor(jwt, credential));
  if (!record) return { kind: 'refused', error: 'noFederation', detail: String(jwt.claims.sub) };
  const genuine = record.publicKey === undefined || (await isSignedBy(jwt, record.publicKey));
  return genuine ? { kind: 'valid' } : { kind: 'refused', error: 'wrongAssertion' };
}

function isFor({ claims }: Jwt, { issuer, subject, audience = FEDERATED_AUDIENCE }: FederatedCredential): boolean {
  return claims.iss === issuer && claims.sub === subject && [claims.aud].flat().includes(audience);
}

function checkTime({ claims }: Jwt, nowSeconds: number): CredentialCheck {
  const from = Number(claims.nbf ?? 0);
  const until = Number(claims.exp ?? 0);
  if (from <= nowSeconds + CLOCK_SKEW_SECONDS && nowSeconds < until + CLOCK_SKEW_SECONDS) return { kind: 'valid' };
  const [now, start, end] = [nowSeconds, from, until].map((seconds) => new Date(seconds * 1000).toISOString());
  const detail = `Current time: ${now}, assertion valid from ${start}, expiry time of assertion ${end}.`;
  return { kind: 'refused', error: 'assertionTime', detail };
}
