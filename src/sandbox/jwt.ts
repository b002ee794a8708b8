/** JSON Web Tokens (RFC 7519) as far as Entra's simulator needs them: ES256 to sign, what MSAL signs with to verify. */
import { constants, type KeyObject, sign, verify } from 'node:crypto';

export type Claims = Readonly<Record<string, unknown>>;

export interface Jwt {
  readonly header: Claims;
  readonly claims: Claims;
  /** Header and claims as they were signed. */
  readonly signed: string;
  readonly signature: Buffer;
}

/** Signs with ES256 (RFC 7518 3.4). */
export function signJwt(header: Claims, claims: Claims, privateKey: KeyObject): string {
  const signed = `${encodePart({ typ: 'JWT', alg: 'ES256', ...header })}.${encodePart(claims)}`;
  const signature = sign('sha256', Buffer.from(signed), { key: privateKey, dsaEncoding: 'ieee-p1363' });
  return `${signed}.${signature.toString('base64url')}`;
}

/** Decodes a token without verifying it. Undefined if it is not a token. */
export function decodeJwt(token: string): Jwt | undefined {
  const [header, claims, signature, ...rest] = token.split('.');
  if (header === undefined || claims === undefined || signature === undefined || rest.length > 0) return undefined;
  const parts = [decodePart(header), decodePart(claims)] as const;
  if (!parts[0] || !parts[1]) return undefined;
  return {
    header: parts[0],
    claims: parts[1],
    signed: `${header}.${claims}`,
    signature: Buffer.from(signature, 'base64url'),
  };
}

/** Whether the key made the signature, by the algorithms that Entra takes: RS256, PS256, ES256. */
export function isSignedBy({ header, signed, signature }: Jwt, publicKey: KeyObject): boolean {
  const data = Buffer.from(signed);
  const isEc = publicKey.asymmetricKeyType === 'ec';
  switch (header['alg']) {
    case 'ES256':
      return isEc && verify('sha256', data, { key: publicKey, dsaEncoding: 'ieee-p1363' }, signature);
    case 'RS256':
      return !isEc && verify('sha256', data, publicKey, signature);
    case 'PS256':
      return !isEc && verify('sha256', data, { key: publicKey, padding: constants.RSA_PKCS1_PSS_PADDING }, signature);
    default:
      return false;
  }
}

function encodePart(part: Claims): string {
  return Buffer.from(JSON.stringify(part)).toString('base64url');
}

function decodePart(part: string): Claims | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString('utf8'));
    return typeof value === 'object' && value !== null ? (value as Claims) : undefined;
  } catch {
    return undefined;
  }
}
