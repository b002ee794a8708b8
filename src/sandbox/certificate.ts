/**
 * A certificate authority and a server certificate for loopback, made anew at each start, so that the sandbox's
 * clients check TLS exactly as they check Microsoft's. Node can read X.509 but not write it; a certificate is little
 * enough to write by hand, which spares the service a dependency that only its sandbox would use.
 */
import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import {
  bitString,
  boolean,
  context,
  contextPrimitive,
  integer,
  octetString,
  oid,
  sequence,
  set,
  utcTime,
  utf8String,
} from './der.ts';

export interface ServerCertificate {
  /** PEM of the authority's certificate: what a client must trust. */
  readonly caCertificate: string;
  /** PEM of the server's certificate. */
  readonly certificate: string;
  /** PEM (PKCS #8) of the server's private key. */
  readonly privateKey: string;
}

const CERTIFICATE_DAYS = 397;
const DAY_MS = 86_400_000;
const HOSTS = ['localhost'];
const LOOPBACK_ADDRESSES = [Buffer.from([127, 0, 0, 1]), Buffer.from([...Array<number>(15).fill(0), 1])];

const ECDSA_WITH_SHA256 = sequence(oid('1.2.840.10045.4.3.2'));
const CRITICAL = boolean(true);
const KEY_USAGE_CERT_SIGN = bitString(Buffer.from([0b0000_0110]), 1);
const KEY_USAGE_DIGITAL_SIGNATURE = bitString(Buffer.from([0b1000_0000]), 7);

interface Party {
  readonly name: string;
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

/** Makes an authority and, signed by it, a certificate for `localhost`, `127.0.0.1` and `::1`. */
export function makeServerCertificate(): ServerCertificate {
  const authority = makeParty('relay365 sandbox CA');
  const server = makeParty('localhost');
  return {
    caCertificate: issue(authority, authority, authorityExtensions()),
    certificate: issue(server, authority, serverExtensions()),
    privateKey: server.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}

function makeParty(name: string): Party {
  return { name, ...generateKeyPairSync('ec', { namedCurve: 'P-256' }) };
}

function issue(subject: Party, issuer: Party, extensions: readonly Buffer[]): string {
  const body = sequence(
    context(0, integer(Buffer.from([2]))),
    integer(serialNumber()),
    ECDSA_WITH_SHA256,
    distinguishedName(issuer.name),
    sequence(utcTime(new Date(Date.now() - DAY_MS)), utcTime(new Date(Date.now() + CERTIFICATE_DAYS * DAY_MS))),
    distinguishedName(subject.name),
    subject.publicKey.export({ type: 'spki', format: 'der' }),
    context(3, sequence(...extensions, ...keyIdentifiers(subject, issuer))),
  );
  return toPem(sequence(body, ECDSA_WITH_SHA256, bitString(sign('sha256', body, issuer.privateKey))));
}

function authorityExtensions(): Buffer[] {
  return [
    extension('2.5.29.19', sequence(boolean(true)), CRITICAL),
    extension('2.5.29.15', KEY_USAGE_CERT_SIGN, CRITICAL),
  ];
}

function serverExtensions(): Buffer[] {
  const names = HOSTS.map((host) => contextPrimitive(2, Buffer.from(host, 'ascii')));
  const addresses = LOOPBACK_ADDRESSES.map((address) => contextPrimitive(7, address));
  return [
    extension('2.5.29.19', sequence(), CRITICAL),
    extension('2.5.29.15', KEY_USAGE_DIGITAL_SIGNATURE, CRITICAL),
    extension('2.5.29.37', sequence(oid('1.3.6.1.5.5.7.3.1'))),
    extension('2.5.29.17', sequence(...names, ...addresses)),
  ];
}

/** Subject and authority key identifiers: Python 3.13 and others refuse a chain without them. */
function keyIdentifiers(subject: Party, issuer: Party): Buffer[] {
  return [
    extension('2.5.29.14', octetString(keyIdentifier(subject))),
    extension('2.5.29.35', sequence(contextPrimitive(0, keyIdentifier(issuer)))),
  ];
}

function keyIdentifier({ publicKey }: Party): Buffer {
  return createHash('sha1').update(publicKey.export({ type: 'spki', format: 'der' })).digest();
}

function extension(id: string, value: Buffer, ...critical: readonly Buffer[]): Buffer {
  return sequence(oid(id), ...critical, octetString(value));
}

function distinguishedName(commonName: string): Buffer {
  return sequence(set(sequence(oid('2.5.4.3'), utf8String(commonName))));
}

/** Positive, and without a leading zero byte, as DER wants it. */
function serialNumber(): Buffer {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes;
}

function toPem(der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}
