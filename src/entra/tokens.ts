/**
 * Access tokens for Exchange by the client credentials grant (RFC 6749 4.4), through MSAL: kept until shortly before
 * they end, and asked for once however many messages wait for them.
 */
import { readFile } from 'node:fs/promises';
import { X509Certificate } from 'node:crypto';
import { ConfidentialClientApplication, LogLevel, type NodeAuthOptions } from '@azure/msal-node';
import { type Application, type Credential, isManaged, type Registration } from './credential.ts';
import { type AcquireToken, MANAGED_IDENTITY_UNAVAILABLE, managedIdentityTokens } from './managed-identity.ts';
import { type Network, type NetworkTrouble, openNetwork } from './network.ts';

export type TokenResult = { readonly ok: true; readonly token: string; readonly expiresAt: Date } | Failure;

/** Entra's answer or the network's; `code` is the AADSTS number or a network error's name. Holds no secret. */
interface Failure {
  readonly ok: false;
  readonly error: string;
  readonly code?: string;
}

export interface TokenSource {
  /** With `renew`, a token that has just come from Entra; asked for more often than every ten seconds, the last one. */
  getToken(options: { readonly renew: boolean }): Promise<TokenResult>;
}

/** A token refused twice within this time is not refused for its age; and a held mailbox is tried no sooner. */
const RENEWAL_INTERVAL_MS = 10_000;
const TOKEN_TIMEOUT_MS = 30_000;
/** A token is good for an hour or more; so long before its end it is asked for anew. */
const RENEWAL_MARGIN_MS = 5 * 60_000;

/** Asks nobody yet: the first `getToken` does. */
export function openTokenSource(application: Application, now = () => Date.now()): TokenSource {
  const asker = openAsker(application);
  const pending = new Map<boolean, Promise<TokenResult>>();
  let renewedAtMs = Number.NEGATIVE_INFINITY;
  // MSAL keeps tokens as well, but looks them up with much ado: too much for each mail.
  let last: TokenResult | undefined;
  return {
    getToken: ({ renew }) => {
      const fresh = renew && now() - renewedAtMs >= RENEWAL_INTERVAL_MS;
      if (fresh) renewedAtMs = now();
      // Who comes while a new token is on its way must not get the old one.
      const running = pending.get(true) ?? pending.get(fresh);
      if (running !== undefined) return running;
      if (!fresh && last?.ok && last.expiresAt.getTime() - now() > RENEWAL_MARGIN_MS) return Promise.resolve(last);
      const request = asker.ask(fresh).finally(() => pending.delete(fresh));
      void request.then((result) => {
        last = result;
      });
      pending.set(fresh, request);
      return request;
    },
  };
}

interface Asker {
  ask(fresh: boolean): Promise<TokenResult>;
}

/** Codes of a credential that Entra does not take. */
const CREDENTIAL_REFUSED = /^AADSTS7000/;

/**
 * Asks through one client, which keeps its tokens. The client is made again when that failed and when its credential is
 * refused: the file may have been put right, or a new certificate have come.
 */
function openAsker(application: Application): Asker {
  const network = openNetwork(TOKEN_TIMEOUT_MS);
  let client: Promise<AcquireToken> | undefined;
  return {
    ask: async (fresh) => {
      client ??= makeClient(application, network).catch((error: unknown) => {
        client = undefined;
        throw error;
      });
      network.takeTrouble();
      try {
        return await acquire(await client, fresh);
      } catch (error) {
        const failure = describe(error, network.takeTrouble(), application);
        if (CREDENTIAL_REFUSED.test(failure.code ?? '')) client = undefined;
        return failure;
      }
    },
  };
}

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
    throw new Error('The certificate file must hold a certificate and its private key, both as PEM.');
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

/** MSAL wraps it, and tells its ids and its time twice. */
const ENTRA_SAYS = /(AADSTS\d+).*?(?= - Correlation ID:|$)/s;

/** What Entra says counts first, then what the network says, then MSAL. */
function describe(error: unknown, trouble: NetworkTrouble | undefined, application: Application): Failure {
  const { message, code } = error as Error & { code?: string };
  const [said, aadsts] = ENTRA_SAYS.exec(message) ?? [];
  if (said && aadsts) return { ok: false, error: said, code: aadsts };
  if (isManaged(application))
    return { ok: false, error: trouble?.message ?? message, code: MANAGED_IDENTITY_UNAVAILABLE };
  if (trouble) return { ok: false, error: trouble.message, ...(trouble.code && { code: trouble.code }) };
  return { ok: false, error: message, ...(code && { code }) };
}
