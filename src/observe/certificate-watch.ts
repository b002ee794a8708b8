/**
 * Warns before the submission server's certificate ends: at start, after each renewal and every day. A renewal that stopped
 * working would otherwise show only as clients that fail.
 */
import type { Logger } from './log.ts';
import type { Metrics } from './metrics.ts';
import { type Certificate, endOf } from '../smtp-in/certificate.ts';

export interface CertificateEndWatch {
  /** Checks this certificate from now on, and at once. */
  watch(certificate: Certificate): void;
  close(): void;
}

const DAY_MS = 86_400_000;

export function openCertificateEndWatch(log: Logger, metrics: Metrics): CertificateEndWatch {
  let certificate: Certificate | undefined;
  const look = () => {
    if (certificate) warn(certificate, log, metrics);
  };
  const timer = setInterval(look, DAY_MS);
  return {
    watch: (other) => {
      certificate = other;
      look();
    },
    close: () => clearInterval(timer),
  };
}

function warn(certificate: Certificate, log: Logger, metrics: Metrics): void {
  const { end, warnFrom } = endOf(certificate);
  metrics.smtpInCertificateEnd(end);
  const leftMs = end.getTime() - Date.now();
  if (Date.now() < warnFrom.getTime()) return;
  const day = end.toISOString().slice(0, 10);
  const when = leftMs < 0 ? `ended on ${day}` : `ends in ${Math.floor(leftMs / DAY_MS)} days, on ${day}`;
  log.warn(
    { ends: end },
    `SMTP: the certificate ${when}. Clients that check it stop sending then: find out why it was not renewed`,
  );
}
