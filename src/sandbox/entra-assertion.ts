/** Checks a client assertion (RFC 7523): an app's own, signed with its certificate, or the token of a federated issuer. */
import { createHash, createPublicKey, X509Certificate } from 'node:crypto';
import type { App, FederatedCredential } from './entra-directory.ts';
import type { EntraErrorName } from './entra-errors.ts';
import { decodeJwt, isSignedBy, type Jwt } from './jwt.ts';

export type CredentialCheck =
  | { readonly kind: 'valid' }
  | { readonly kind: 'refused'; readonly error: EntraErrorName; readonly detail?: string };

export interface AssertionContext {
  readonly app: App;
  /** Authority host and tenant: the audience of an app's own assertion must begin with it. */
  readonly authority: string;
  readonly nowSeconds: number;
}

const FEDERATED_AUDIENCE = 'api://AzureADTokenExchange';
/** The clock difference that Entra tolerates. */
const CLOCK_SKEW_SECONDS = 300;

/** Whether the assertion authenticates the app. */
export function checkAssertion(assertion: string, context: AssertionContext): CredentialCheck {
  const jwt = decodeJwt(assertion);
  if (!jwt) return { kind: 'refused', error: 'wrongAssertion', detail: 'The token could not be read.' };
  const federated = jwt.claims['iss'] !== context.app.clientId;
  const credentials = federated ? checkFederated(jwt, context) : checkOwn(jwt, context);
  return credentials.kind === 'valid' ? checkTime(jwt, context.nowSeconds) : credentials;
}

function checkOwn(jwt: Jwt, { app, authority }: AssertionContext): CredentialCheck {
  const registered = app.certificates.some((pem) => isSignedBy(jwt, createPublicKey(pem)));
  if (!registered) return { kind: 'refused', error: 'wrongAssertion', detail: whyNotRegistered(jwt, app) };
  const audience = String(jwt.claims['aud']).toLowerCase();
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

function checkFederated(jwt: Jwt, { app }: AssertionContext): CredentialCheck {
  const record = app.federated.find((credential) => isFor(jwt, credential));
  if (!record) return { kind: 'refused', error: 'noFederation', detail: String(jwt.claims['sub']) };
  const genuine = record.publicKey === undefined || isSignedBy(jwt, createPublicKey(record.publicKey));
  return genuine ? { kind: 'valid' } : { kind: 'refused', error: 'wrongAssertion' };
}

function isFor({ claims }: Jwt, { issuer, subject, audience = FEDERATED_AUDIENCE }: FederatedCredential): boolean {
  return claims['iss'] === issuer && claims['sub'] === subject && [claims['aud']].flat().includes(audience);
}

function checkTime({ claims }: Jwt, nowSeconds: number): CredentialCheck {
  const from = Number(claims['nbf'] ?? 0);
  const until = Number(claims['exp'] ?? 0);
  if (from <= nowSeconds + CLOCK_SKEW_SECONDS && nowSeconds < until + CLOCK_SKEW_SECONDS) return { kind: 'valid' };
  const [now, start, end] = [nowSeconds, from, until].map((seconds) => new Date(seconds * 1000).toISOString());
  const detail = `Current time: ${now}, assertion valid from ${start}, expiry time of assertion ${end}.`;
  return { kind: 'refused', error: 'assertionTime', detail };
}
