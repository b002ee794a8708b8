/** The server's certificate from its files. A renewed one is used without a restart; an invalid one is ignored. */
import { X509Certificate } from 'node:crypto';
import { readFileSync, unwatchFile, watchFile } from 'node:fs';
import { createSecureContext } from 'node:tls';
import type { Log } from './log.ts';

/** PEM, the certificate with its chain. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

export interface CertificateFiles {
  readonly certPath: string;
  readonly keyPath: string;
}

/** @throws Error when a file cannot be read, or the two do not match. */
export function readCertificate({ certPath, keyPath }: CertificateFiles): Certificate {
  const certificate = { cert: readFileSync(certPath, 'utf8'), key: readFileSync(keyPath, 'utf8') };
  createSecureContext(certificate);
  return certificate;
}

/** Renewals are due before the last fifth of the certificate's life, or its last 30 days. */
const WARNING_MS_MAX = 30 * 86_400_000;
const WARNING_SHARE = 1 / 5;

/** When the certificate ends, and when warnings start. */
export function endOf({ cert }: Certificate): { readonly end: Date; readonly warnFrom: Date } {
  const { validFromDate, validToDate: end } = new X509Certificate(cert);
  const lifeMs = end.getTime() - validFromDate.getTime();
  return { end, warnFrom: new Date(end.getTime() - Math.min(WARNING_MS_MAX, lifeMs * WARNING_SHARE)) };
}

export interface CertificateWatch {
  /** Watches these files from now on, and checks them at once. */
  readonly watch: (files: CertificateFiles) => void;
  readonly close: () => void;
}

export interface CertificateWatchOptions {
  /** The current certificate, if any. */
  readonly first: Certificate | undefined;
  readonly onChange: (certificate: Certificate) => void;
  readonly lookMs: number;
  readonly log: Log;
}

/** Reports a changed certificate. The files are polled: a certificate behind a changed link causes no event. */
export function openCertificateWatch({ first, onChange, lookMs, log }: CertificateWatchOptions): CertificateWatch {
  let known = first;
  let stop: (() => void) | undefined;
  const look = (files: CertificateFiles) => {
    const found = readOrLog(files, log);
    if (!found || (found.cert === known?.cert && found.key === known.key)) return;
    known = found;
    onChange(found);
    log.info({ ...files }, 'SMTP: certificate renewed');
  };
  return {
    watch: (files) => {
      stop?.();
      stop = watchFiles(files, lookMs, () => look(files));
      look(files);
    },
    close: () => stop?.(),
  };
}

function watchFiles({ certPath, keyPath }: CertificateFiles, lookMs: number, look: () => void): () => void {
  const paths = [certPath, keyPath];
  for (const path of paths) watchFile(path, { interval: lookMs, persistent: false }, look);
  return () => {
    for (const path of paths) unwatchFile(path, look);
  };
}

/** While only one of the files is written they do not match: the next check finds both. */
function readOrLog(files: CertificateFiles, log: Log): Certificate | undefined {
  try {
    return readCertificate(files);
  } catch (err) {
    log.warn({ err, ...files }, 'SMTP: the certificate cannot be used, the old one stays');
    return undefined;
  }
}
