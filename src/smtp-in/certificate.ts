/** The server's certificate from its files. A renewed one is taken over while the server runs; a wrong one is not. */
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

export interface CertificateWatch {
  readonly look: () => void;
  readonly close: () => void;
}

export interface CertificateWatchOptions {
  readonly files: CertificateFiles;
  /** What is known of them. */
  readonly first: Certificate;
  readonly onChange: (certificate: Certificate) => void;
  readonly lookMs: number;
  readonly log: Log;
}

/** Tells of another certificate in the files. They are looked at: one that comes by a changed link tells nobody. */
export function watchCertificate({ files, first, onChange, lookMs, log }: CertificateWatchOptions): CertificateWatch {
  let known = first;
  const look = () => {
    try {
      const found = readCertificate(files);
      if (found.cert === known.cert && found.key === known.key) return;
      known = found;
      onChange(found);
      log.info({ ...files }, 'SMTP: another certificate');
    } catch (err) {
      // Between the writing of one file and the other they do not fit: the next look may find both.
      log.warn({ err, ...files }, 'SMTP: the certificate is not taken over, the old one stays');
    }
  };
  const paths = [files.certPath, files.keyPath];
  for (const path of paths) watchFile(path, { interval: lookMs, persistent: false }, look);
  return {
    look,
    close: () => {
      for (const path of paths) unwatchFile(path, look);
    },
  };
}
