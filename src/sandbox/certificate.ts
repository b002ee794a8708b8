/**
 * A certificate authority and a server certificate for loopback, created at each start, so that clients check the TLS of
 * the sandbox exactly as they check Microsoft's.
 */
import 'reflect-metadata';
import { KeyObject, webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';

export interface ServerCertificate {
  /** PEM of the authority's certificate: what a client must trust. */
  readonly caCertificate: string;
  /** PEM of the server's certificate. */
  readonly certificate: string;
  /** PEM (PKCS #8) of the server's private key. */
  readonly privateKey: string;
}

export interface CertificateOptions {
  /** The names that the certificate is for. Default: `localhost` and the loopback addresses. */
  readonly hosts?: readonly string[];
  readonly notBefore?: Date;
  readonly notAfter?: Date;
}

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const DAY_MS = 86_400_000;
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';

/** Creates an authority and a certificate for this machine that it signs. */
export async function makeServerCertificate(options: CertificateOptions = {}): Promise<ServerCertificate> {
  const validity = {
    notBefore: options.notBefore ?? new Date(Date.now() - DAY_MS),
    notAfter: options.notAfter ?? new Date(Date.now() + 397 * DAY_MS),
  };
  const [authorityKeys, serverKeys] = await Promise.all([makeKeys(), makeKeys()]);
  const authority = await x509.X509CertificateGenerator.createSelfSigned({
    ...validity,
    name: 'CN=relay365 sandbox CA',
    keys: authorityKeys,
    signingAlgorithm: ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
      await x509.SubjectKeyIdentifierExtension.create(authorityKeys.publicKey),
    ],
  });
  const certificate = await x509.X509CertificateGenerator.create({
    ...validity,
    subject: 'CN=localhost',
    issuer: authority.subject,
    publicKey: serverKeys.publicKey,
    signingKey: authorityKeys.privateKey,
    signingAlgorithm: ALGORITHM,
    extensions: await serverExtensions(options.hosts ?? ['localhost', '127.0.0.1', '::1'], authority, serverKeys),
  });
  const privateKey = KeyObject.from(serverKeys.privateKey).export({ type: 'pkcs8', format: 'pem' }).toString();
  return { caCertificate: authority.toString('pem'), certificate: certificate.toString('pem'), privateKey };
}

function makeKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
}

/** Some clients refuse a chain without key identifiers. */
async function serverExtensions(
  hosts: readonly string[],
  authority: x509.X509Certificate,
  { publicKey }: webcrypto.CryptoKeyPair,
): Promise<x509.Extension[]> {
  const names = hosts.map((value) => ({ type: /^[\d.]+$|:/.test(value) ? 'ip' : 'dns', value }) as const);
  return [
    new x509.BasicConstraintsExtension(false, undefined, true),
    new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
    new x509.ExtendedKeyUsageExtension([SERVER_AUTH]),
    new x509.SubjectAlternativeNameExtension(names),
    await x509.SubjectKeyIdentifierExtension.create(publicKey),
    await x509.AuthorityKeyIdentifierExtension.create(authority),
  ];
}
