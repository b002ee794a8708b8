/**
 * The Entra simulator: OIDC discovery and the token endpoint over HTTPS, as MSAL's confidential client uses them. It
 * checks credentials against its directory, answers errors in Entra's words, and misbehaves when a script says so.
 */
import { createServer, type Server } from 'node:https';
import type { ServerCertificate } from './certificate.ts';
import { EntraServer, type EntraRule } from './entra-server.ts';
import { type AppOptions, type AppPatch, type ClientSecret, EntraDirectory } from './entra-directory.ts';
import { TokenIssuer, type TokenCheck } from './entra-tokens.ts';
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
  /** Replaces all secrets of an app. */
  setSecrets(clientId: string, ...secrets: readonly (string | ClientSecret)[]): void;
  setTokenLifetime(seconds: number): void;
  /** Invalidates the tokens issued so far: Exchange refuses them. */
  revokeTokens(): void;
  verifyToken(token: string): Promise<TokenCheck>;
  /** Adds a rule for misbehaviour. The returned function removes it. */
  script(rule: EntraRule): () => void;
  clearScript(): void;
  close(): Promise<void>;
}

/** Entra's tokens are valid for 60 to 90 minutes. This is the usual value. */
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
