/**
 * Entra's simulator: OIDC discovery and the token endpoint over HTTPS, as MSAL's confidential client asks for them.
 * It judges credentials by its directory, answers errors in Entra's words, and misbehaves on order.
 */
import { createServer, type Server } from 'node:https';
import type { ServerCertificate } from './certificate.ts';
import { EntraServer, type EntraRule } from './entra-server.ts';
import { type AppOptions, type AppPatch, type ClientSecret, EntraDirectory } from './entra-directory.ts';
import { TokenIssuer, type TokenVerdict } from './entra-tokens.ts';
import { closeServer, listen } from './listen.ts';
import { Script } from './script.ts';

export interface EntraOptions {
  readonly certificate: ServerCertificate;
  readonly host: string;
  readonly port: number;
  readonly now: () => number;
}

export interface Entra {
  /** `https://localhost:PORT` */
  readonly authorityHost: string;
  /** Tokens issued since the start. */
  readonly issuedCount: number;
  /** Requests for a token since the start, refused ones included. */
  readonly requestCount: number;
  addTenant(tenantId: string): void;
  addApp(app: AppOptions): void;
  /** Changes an app's credentials or consents. */
  setApp(clientId: string, patch: AppPatch): void;
  removeApp(clientId: string): void;
  /** Sets all secrets of an app; the others stop to work. */
  setSecrets(clientId: string, ...secrets: readonly (string | ClientSecret)[]): void;
  setTokenLifetime(seconds: number): void;
  /** Makes the tokens issued so far worthless to Exchange. */
  revokeTokens(): void;
  verifyToken(token: string): TokenVerdict;
  /** Adds a misbehaviour; the answer removes it. */
  script(rule: EntraRule): () => void;
  clearScript(): void;
  close(): Promise<void>;
}

/** Entra's tokens live 60 to 90 minutes; this is its usual figure. */
const TOKEN_LIFETIME_SECONDS = 3599;

/** Opens the simulator on loopback. */
export async function openEntra({ certificate, host, port, now }: EntraOptions): Promise<Entra> {
  const directory = new EntraDirectory();
  const script = new Script<EntraRule>();
  const server = createServer({ key: certificate.privateKey, cert: certificate.certificate, minVersion: 'TLSv1.2' });
  const authorityHost = `https://localhost:${await listen(server, host, port)}`;
  const tokens = new TokenIssuer({ now, lifetimeSeconds: TOKEN_LIFETIME_SECONDS });
  const entraServer = new EntraServer({ directory, script, tokens, authorityHost, now });
  server.on('request', (request, response) => void entraServer.serve(request, response));
  return makeEntra(entraServer, server);
}

function makeEntra(entraServer: EntraServer, server: Server): Entra {
  const { directory, script, tokens, authorityHost } = entraServer.parts;
  return {
    authorityHost,
    get issuedCount() {
      return tokens.issuedCount;
    },
    get requestCount() {
      return entraServer.requestCount;
    },
    addTenant: (tenantId) => directory.addTenant(tenantId),
    addApp: (app) => directory.addApp(app),
    setApp: (clientId, patch) => directory.setApp(clientId, patch),
    removeApp: (clientId) => directory.removeApp(clientId),
    setSecrets: (clientId, ...secrets) => directory.setApp(clientId, { secrets }),
    setTokenLifetime: (seconds) => {
      tokens.lifetimeSeconds = seconds;
    },
    revokeTokens: () => tokens.revokeAll(),
    verifyToken: (token) => tokens.verify(token),
    script: (rule) => script.add(rule),
    clearScript: () => script.clear(),
    close: () =>
      closeServer(server, () => {
        entraServer.close();
        server.closeAllConnections();
      }),
  };
}
