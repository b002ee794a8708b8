/** An application of Entra, with each kind of credential. */
import 'reflect-metadata';
import { generateKeyPairSync, KeyObject, webcrypto } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as x509 from '@peculiar/x509';
import { SignJWT } from 'jose';
import { onTestFinished } from 'vitest';
import type { Application, Credential } from '../../src/entra/credential.ts';
import type { Sandbox } from '../../src/sandbox/sandbox.ts';

const SCOPE = 'https://outlook.office365.com/.default';

/** The sandbox's application, with this credential instead of its secret. */
export function applicationOf({ mailbox, authorityHost }: Sandbox, credential?: Credential): Application {
  const { tenantId, clientId, clientSecret } = mailbox;
  return {
    tenantId,
    clientId,
    credential: credential ?? { kind: 'secret', secret: clientSecret },
    authorityHost,
    scope: SCOPE,
  };
}

/** The path of a file that is deleted at the end of the test. */
export function testFile(name: string, content?: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'relay365-entra-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, name);
  if (content !== undefined) writeFileSync(path, content);
  return path;
}

export interface ClientCertificate {
  readonly certificate: string;
  readonly privateKey: string;
}

const RSA = {
  name: 'RSASSA-PKCS1-v1_5',
  hash: 'SHA-256',
  publicExponent: new Uint8Array([1, 0, 1]),
  modulusLength: 2048,
};

/** A certificate like that of `openssl req -x509 -newkey rsa:2048`. */
export async function makeClientCertificate(notAfter = new Date(Date.now() + 86_400_000)): Promise<ClientCertificate> {
  const keys = await webcrypto.subtle.generateKey(RSA, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: 'CN=relay365',
    keys,
    notBefore: new Date(Date.now() - 86_400_000),
    notAfter,
    signingAlgorithm: RSA,
  });
  const privateKey = KeyObject.from(keys.privateKey).export({ type: 'pkcs8', format: 'pem' }).toString();
  return { certificate: certificate.toString('pem'), privateKey };
}

export const ISSUER = 'https://token.actions.example';
export const SUBJECT = 'system:serviceaccount:mail:relay365';

/** Tokens like those of a Kubernetes cluster for a workload. `publicKey` is the issuer's. */
export function makeFederation(): {
  readonly publicKey: string;
  token(subject?: string, validSeconds?: number): Promise<string>;
} {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return {
    publicKey: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    token: (subject = SUBJECT, validSeconds = 3_600) => {
      const now = Math.floor(Date.now() / 1_000);
      const aud = 'api://AzureADTokenExchange';
      return new SignJWT({ iss: ISSUER, sub: subject, aud, nbf: now - 7_200, exp: now + validSeconds })
        .setProtectedHeader({ typ: 'JWT', alg: 'ES256' })
        .sign(privateKey);
    },
  };
}
