/** The server's certificate from its files. A renewed one is taken over while the server runs; a wrong one is not. */
import { X509Certificate } from 'node:crypto';
import { readFileSync, unwatchFile, watchFile } from 'node:fs';
import { createSecureContext } from 'node:tls';
import type { Log } from './log.ts';

/** PEM, the chain with the certificate. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

export interface CertificateFiles {
  readonly certPath: string;
  readonly keyPath: string;
}

/** @throws Error when a file can't be read, or the two do not fit together. */
export function readCertificate({ certPath, keyPath }: CertificateFiles): Certificate {
  const certificate = { cert: readFileSync(certPath, 'utf8'), key: readFileSync(keyPath, 'utf8') };
  createSecureContext(certificate);
  return certificate;
}

/** Whoever renews in time has done so when a fifth of its life is left, or 30 days. */
const WARNING_MS_MAX = 30 * 86_400_000;
const WARNING_SHARE = 1 / 5;

/** When the certificate ends, and from when on that is worth a warning. */
export function endOf({ cert }: Certificate): { readonly end: Date; readonly warnFrom: Date } {
  const { validFromDate, validToDate: end } = new X509Certificate(cert);
  const lifeMs = end.getTime() - validFromDate.getTime();
  return { end, warnFrom: new Date(end.getTime() - Math.min(WARNING_MS_MAX, lifeMs * WARNING_SHARE)) };
}

export interface CertificateWatch {
  /** Watches these files from now on, and looks at once. */
  readonly watch: (files: CertificateFiles) => void;
  readonly close: () => void;
}

export interface CertificateWatchOptions {
  /** What is known; undefined: nothing yet. */
  readonly first: Certificate | undefined;
  readonly onChange: (certificate: Certificate) => void;
  readonly lookMs: number;
  readonly log: Log;
}

/** Tells of another certificate in the files. They are looked at: one that comes by a changed link tells nobody. */
export function openCertificateWatch({ first, onChange, lookMs, log }: CertificateWatchOptions): CertificateWatch {
  let known = first;
  let stop: (() => void) | undefined;
  const look = (files: CertificateFiles) => {
    const found = readOrTell(files, log);
    if (!found || (found.cert === known?.cert && found.key === known.key)) return;
    known = found;
    onChange(found);
    log.info({ ...files }, 'SMTP: another certificate');
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

/** Between the writing of one file and the other they do not fit: the next look may find both. */
function readOrTell(files: CertificateFiles, log: Log): Certificate | undefined {
  try {
    return readCertificate(files);
  } catch (err) {
    log.warn({ err, ...files }, 'SMTP: the certificate is not taken over, the old one stays');
    return undefined;
  }
}
