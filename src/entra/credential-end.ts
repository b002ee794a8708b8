/** When an application's credential expires, so that you do not learn it from messages that stop on a weekend. */
import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { Application } from './credential.ts';

/** From this many days before its end, a credential is warned about at each start and once a day. */
export const CREDENTIAL_WARNING_DAYS = 30;
export const DAY_MS = 86_400_000;

/**
 * When a certificate expires, or the date that the configuration gives for a secret. Undefined if unknown. For a
 * certificate that cannot be read, too: the login reports that better.
 */
export async function credentialEnd(
  credential: Application['credential'],
  secretExpires?: Date,
): Promise<Date | undefined> {
  if (credential.kind !== 'certificate') return secretExpires;
  const pem = await readFile(credential.path, 'utf8').catch(() => '');
  const certificate = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/.exec(pem)?.[0];
  return certificate === undefined ? undefined : new X509Certificate(certificate).validToDate;
}

/** Whole days from `now` to `end`; negative when it has passed. */
export function daysUntil(end: Date, now: Date): number {
  return Math.floor((end.getTime() - now.getTime()) / DAY_MS);
}
