/** Issues Entra's access tokens, and verifies them for Exchange. */
import { createHash, generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';
import { errors, jwtVerify, SignJWT } from 'jose';
import type { App } from './entra-directory.ts';

export interface TokenClaims {
  readonly aud: string;
  readonly appid: string;
  readonly tid: string;
  readonly roles: readonly string[];
  readonly exp: number;
}

export type TokenCheck =
  | { readonly kind: 'valid'; readonly claims: TokenClaims }
  | { readonly kind: 'invalid'; readonly reason: InvalidReason };

type InvalidReason = 'malformed' | 'not issued here' | 'expired';

export interface TokenIssuerOptions {
  readonly now: () => number;
  readonly lifetimeSeconds: number;
}

const ALGORITHM = 'ES256';

export class TokenIssuer {
  lifetimeSeconds: number;
  readonly #now: () => number;
  #keys = makeKeys();
  #issuedCount = 0;

  constructor({ now, lifetimeSeconds }: TokenIssuerOptions) {
    this.#now = now;
    this.lifetimeSeconds = lifetimeSeconds;
  }

  get issuedCount(): number {
    return this.#issuedCount;
  }

  /** An access token for the app with the claims of a v1.0 app-only token. */
  issue(app: App, audience: string): Promise<string> {
    this.#issuedCount += 1;
    const seconds = Math.floor(this.#now() / 1000);
    const claims = {
      aud: audience,
      iss: `https://sts.windows.net/${app.tenantId}/`,
      iat: seconds,
      nbf: seconds,
      exp: seconds + this.lifetimeSeconds,
      aio: randomBytes(48).toString('base64'),
      app_displayname: 'relay365',
      appid: app.clientId,
      appidacr: '1',
      idp: `https://sts.windows.net/${app.tenantId}/`,
      idtyp: 'app',
      oid: stableUuid(app.clientId),
      roles: app.roles,
      sub: stableUuid(app.clientId),
      tid: app.tenantId,
      uti: randomBytes(16).toString('base64url'),
      ver: '1.0',
      xms_idrel: '7 18',
    };
    const { id, privateKey } = this.#keys;
    return new SignJWT(claims).setProtectedHeader({ typ: 'JWT', alg: ALGORITHM, kid: id, x5t: id }).sign(privateKey);
  }

  /** Whether a token was issued here and has not expired. Its claims say what it allows. */
  async verify(token: string): Promise<TokenCheck> {
    try {
      const { payload } = await jwtVerify<TokenClaims>(token, this.#keys.publicKey, {
        algorithms: [ALGORITHM],
        currentDate: new Date(this.#now()),
      });
      return { kind: 'valid', claims: payload };
    } catch (error) {
      return { kind: 'invalid', reason: reasonOf(error) };
    }
  }

  /** Invalidates every token issued so far, by a new signing key. */
  revokeAll(): void {
    this.#keys = makeKeys();
  }
}

function makeKeys(): { id: string; privateKey: KeyObject; publicKey: KeyObject } {
  return { id: randomBytes(20).toString('base64url'), ...generateKeyPairSync('ec', { namedCurve: 'P-256' }) };
}

function reasonOf(error: unknown): InvalidReason {
  if (error instanceof errors.JWTExpired) return 'expired';
  return error instanceof errors.JWSInvalid || error instanceof errors.JWTInvalid ? 'malformed' : 'not issued here';
}

/** The service principal's object id: the same for an app each time. */
function stableUuid(text: string): string {
  const hex = createHash('sha256').update(text).digest('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join('-');
}
