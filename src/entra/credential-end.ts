/** When an application's credential ends, as far as this side can know: a weekend is the usual time to find out. */
import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { Application } from './credential.ts';

/** From this many days on, a credential's end is told with every start and every day. */
export const CREDENTIAL_WARNING_DAYS = 30;
export const DAY_MS = 86_400_000;

/**
 * The end of a certificate, or the day that the configuration names for a secret; undefined when nobody knows.
 * A certificate that can't be read is a fault that the login tells better.
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
