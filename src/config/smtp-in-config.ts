/** The submission server's configuration: its ports, its certificate, and who needs no login. */
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import type { ApiKey } from '../core/submit/api-key.ts';
import type { CertificateFiles } from '../smtp-in/certificate.ts';
import type { TrustedNetwork } from '../smtp-in/clients.ts';
import type { ConfigFile } from './config-file.ts';
import type { Fault } from './fault.ts';
import type { Values } from './variables.ts';

export interface SmtpInConfig {
  /** For STARTTLS, and for TLS from the first byte. With both undefined it is off, except in the sandbox. */
  readonly port: number | undefined;
  readonly tlsPort: number | undefined;
  readonly certificate: CertificateFiles | undefined;
  readonly trustedNetworks: readonly TrustedNetwork[];
  /** Names of the keys whose From may be rewritten. */
  readonly rewriteFrom: readonly string[];
}

export interface SmtpInContext {
  readonly keys: readonly ApiKey[];
  readonly file: ConfigFile | undefined;
  /** `sandbox` has a certificate of its own; `none`: the process has no submission server. */
  readonly server: 'own' | 'sandbox' | 'none';
  readonly faults: Fault[];
}

export function readSmtpIn(values: Values, context: SmtpInContext): SmtpInConfig {
  const { SMTP_IN_PORT: port, SMTP_IN_TLS_PORT: tlsPort, SMTP_IN_TRUSTED_NETWORKS: trustedNetworks } = values;
  const rewriteFrom = context.file?.content.smtpIn?.rewriteFrom ?? [];
  const config = { port, tlsPort, certificate: certificateOf(values, context), trustedNetworks, rewriteFrom };
  checkKeys(config, context);
  if (context.server === 'own') checkLogin(config, context);
  return config;
}

function certificateOf(
  { SMTP_IN_TLS_CERT: certPath, SMTP_IN_TLS_KEY: keyPath }: Values,
  { server, faults }: SmtpInContext,
): CertificateFiles | undefined {
  if (certPath === undefined && keyPath === undefined) return undefined;
  if (certPath === undefined || keyPath === undefined) {
    const missing = certPath === undefined ? 'SMTP_IN_TLS_CERT' : 'SMTP_IN_TLS_KEY';
    faults.push({ where: missing, message: 'is required: the certificate and its key are two PEM files' });
    return undefined;
  }
  if (server !== 'none') tryCertificate({ certPath, keyPath }, faults);
  return { certPath, keyPath };
}

function tryCertificate({ certPath, keyPath }: CertificateFiles, faults: Fault[]): void {
  try {
    createSecureContext({ cert: readFileSync(certPath), key: readFileSync(keyPath) });
  } catch (error) {
    const message = `cannot be used with SMTP_IN_TLS_KEY: ${(error as Error).message}`;
    faults.push({ where: 'SMTP_IN_TLS_CERT', message });
  }
}

function checkKeys({ trustedNetworks, rewriteFrom }: SmtpInConfig, { keys, file, faults }: SmtpInContext): void {
  const isKnown = (name: string) => keys.some((key) => key.name === name);
  for (const { address, prefix, key } of trustedNetworks) {
    if (!isKnown(key))
      faults.push({
        where: 'SMTP_IN_TRUSTED_NETWORKS',
        message: `names ${key} for ${address}/${prefix}, which is not an API key`,
      });
  }
  for (const [i, name] of rewriteFrom.entries()) {
    if (!isKnown(name))
      faults.push({
        where: file?.place(['smtpIn', 'rewriteFrom', i]) ?? 'smtpIn',
        message: `${name} is not an API key`,
      });
  }
}

/** A server where no client can log in is reported at start, not by its clients. */
function checkLogin(
  { port, tlsPort, certificate, trustedNetworks }: SmtpInConfig,
  { keys, faults }: SmtpInContext,
): void {
  if (certificate) return;
  if (tlsPort !== undefined) faults.push({ where: 'SMTP_IN_TLS_CERT', message: 'is required with SMTP_IN_TLS_PORT' });
  if (port !== undefined && keys.length > 0 && trustedNetworks.length === 0)
    faults.push({
      where: 'SMTP_IN_TLS_CERT',
      message:
        'is required with SMTP_IN_PORT: clients may log in only over TLS. Or name the clients in SMTP_IN_TRUSTED_NETWORKS',
    });
}
