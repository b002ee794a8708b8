/**
 * Access tokens for Exchange by the client credentials grant (RFC 6749 4.4), through MSAL. A token is kept until shortly
 * before it expires, and requested once, however many messages wait for it.
 */
import { readFile } from 'node:fs/promises';
import { X509Certificate } from 'node:crypto';
import {
  type AuthenticationResult,
  ConfidentialClientApplication,
  LogLevel,
  ManagedIdentityApplication,
  type NodeAuthOptions,
} from '@azure/msal-node';
import { codeOf, messageOf } from '../lib/errors.ts';
import { type Application, type Credential, isManaged, type ManagedIdentity, type Registration } from './credential.ts';
import { type Network, type NetworkFailure, openNetwork } from './network.ts';

export type TokenResult = { readonly ok: true; readonly token: string; readonly expiresAt: Date } | Failure;

/** What Entra or the network reported. `code` is the AADSTS number or the name of a network error. Contains no secret. */
interface Failure {
  readonly ok: false;
  readonly error: string;
  readonly code?: string;
}

export interface TokenSource {
  /** With `renew`, a new token from Entra, at most one every ten seconds: in between, the last one. */
  getToken(options: { readonly renew: boolean }): Promise<TokenResult>;
}

/** A token that is refused twice within this time is not too old. A held mailbox is not tried sooner, either. */
const RENEWAL_INTERVAL_MS = 10_000;
const TOKEN_TIMEOUT_MS = 30_000;
/** The code of a failure for which the platform of a managed identity gives none. */
const MANAGED_IDENTITY_UNAVAILABLE = 'managed_identity_unavailable';
/** A token is valid for an hour or more. It is renewed this long before it expires. */
const RENEWAL_MARGIN_MS = 5 * 60_000;

/** Sends no request yet: the first `getToken` does. */
export function openTokenSource(application: Application, now = () => Date.now()): TokenSource {
  const client = openClient(application);
  const pending = new Map<boolean, Promise<TokenResult>>();
  let renewedAtMs = Number.NEGATIVE_INFINITY;
  // MSAL has a cache, too, but its lookups are too slow for each message.
  let last: TokenResult | undefined;
  return {
    getToken: ({ renew }) => {
      const fresh = renew && now() - renewedAtMs >= RENEWAL_INTERVAL_MS;
      if (fresh) renewedAtMs = now();
      // While a new token is requested, no one may get the old one.
      const running = pending.get(true) ?? pending.get(fresh);
      if (running !== undefined) return running;
      if (!fresh && last?.ok && last.expiresAt.getTime() - now() > RENEWAL_MARGIN_MS) return Promise.resolve(last);
      const request = client.request(fresh).finally(() => pending.delete(fresh));
      void request.then((result) => {
        last = result;
      });
      pending.set(fresh, request);
      return request;
    },
  };
}

interface Client {
  request(fresh: boolean): Promise<TokenResult>;
}

/** Codes of a credential that Entra does not accept. */
const CREDENTIAL_REFUSED = /^AADSTS7000/;

/**
 * Requests tokens through one MSAL client, which caches them. The MSAL client is created again after a failure to create
 * it and after a refused credential: the file may have been corrected, or the certificate replaced.
 */
function openClient(application: Application): Client {
  const network = openNetwork(TOKEN_TIMEOUT_MS);
  let client: Promise<AcquireToken> | undefined;
  return {
    request: async (fresh) => {
      client ??= makeClient(application, network).catch((error: unknown) => {
        client = undefined;
        throw error;
      });
      network.takeFailure();
      try {
        return await acquire(await client, fresh);
      } catch (error) {
        const failure = describe(error, network.takeFailure(), application);
        if (CREDENTIAL_REFUSED.test(failure.code ?? '')) client = undefined;
        return failure;
      }
    },
  };
}

type AcquireToken = (fresh: boolean) => Promise<AuthenticationResult | null>;

async function makeClient(application: Application, network: Network): Promise<AcquireToken> {
  return isManaged(application)
    ? managedIdentityTokens(application, network)
    : registrationTokens(application, network);
}

async function registrationTokens(
  { tenantId, clientId, credential, authorityHost, scope }: Registration,
  networkClient: Network,
): Promise<AcquireToken> {
  const { host } = new URL(authorityHost);
  const client = new ConfidentialClientApplication({
    auth: {
      clientId,
      authority: `${authorityHost.replace(/\/+$/, '')}/${tenantId}`,
      // The configuration names the authority, so there is no need to ask Microsoft whether it is one of theirs.
      knownAuthorities: [host],
      ...(await credentials(credential)),
    },
    system: {
      networkClient,
      loggerOptions: { logLevel: LogLevel.Error, piiLoggingEnabled: false, loggerCallback: () => {} },
    },
  });
  return (fresh) => client.acquireTokenByClientCredential({ scopes: [scope], skipCache: fresh });
}

/**
 * The platform is App Service, Container Apps, a virtual machine (IMDS) or Azure Arc; MSAL detects it by environment
 * variables. MSAL keeps one client of it for the whole process, with the first network module that it got. Not tested
 * with a real tenant.
 */
function managedIdentityTokens({ credential, scope }: ManagedIdentity, networkClient: Network): AcquireToken {
  const { clientId } = credential;
  const client = new ManagedIdentityApplication({
    ...(clientId !== undefined && { managedIdentityIdParams: { userAssignedClientId: clientId } }),
    system: {
      networkClient,
      // relay365 retries a held mailbox itself.
      disableInternalRetries: true,
      loggerOptions: { logLevel: LogLevel.Error, piiLoggingEnabled: false, loggerCallback: () => {} },
    },
  });
  return (fresh) => client.acquireToken({ resource: scope, forceRefresh: fresh });
}

type Credentials = Pick<NodeAuthOptions, 'clientSecret' | 'clientCertificate' | 'clientAssertion'>;

async function credentials(credential: Credential): Promise<Credentials> {
  switch (credential.kind) {
    case 'secret':
      return { clientSecret: credential.secret };
    case 'certificate':
      return { clientCertificate: readCertificate(await readFile(credential.path, 'utf8')) };
    case 'federated':
      return { clientAssertion: () => readFile(credential.path, 'utf8').then((token) => token.trim()) };
  }
}

function readCertificate(pem: string): NonNullable<Credentials['clientCertificate']> {
  const privateKey = /-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]+-----END [A-Z ]*PRIVATE KEY-----/.exec(pem)?.[0];
  const certificate = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/.exec(pem)?.[0];
  if (!privateKey || !certificate)
    throw new Error('The certificate file must contain a certificate and its private key, both in PEM.');
  const thumbprintSha256 = new X509Certificate(certificate).fingerprint256.replaceAll(':', '');
  return { privateKey, thumbprintSha256, x5c: pem };
}

async function acquire(ask: AcquireToken, fresh: boolean): Promise<TokenResult> {
  const result = await withTimeout(ask(fresh));
  if (!result) return { ok: false, error: 'Entra answered without a token.' };
  return { ok: true, token: result.accessToken, expiresAt: result.expiresOn ?? new Date() };
}

async function withTimeout<T>(promise: Promise<T>): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => reject(new Error(`Entra did not answer within ${TOKEN_TIMEOUT_MS / 1000} s.`)),
    TOKEN_TIMEOUT_MS,
  );
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** MSAL wraps Entra's text, and repeats its ids and its time. */
const ENTRA_TEXT = /(AADSTS\d+).*?(?= - Correlation ID:|$)/s;

/** Entra's words come first, then the network's, then MSAL's. */
function describe(error: unknown, network: NetworkFailure | undefined, application: Application): Failure {
  const message = messageOf(error);
  const code = codeOf(error);
  const [text, aadsts] = ENTRA_TEXT.exec(message) ?? [];
  if (text && aadsts) return { ok: false, error: text, code: aadsts };
  if (isManaged(application))
    return { ok: false, error: network?.message ?? message, code: MANAGED_IDENTITY_UNAVAILABLE };
  if (network) return { ok: false, error: network.message, ...(network.code && { code: network.code }) };
  return { ok: false, error: message, ...(code && { code }) };
}
