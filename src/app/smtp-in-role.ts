/** The submission server of an API process: the same outbox and keys, opened after the API and closed with it. */
import type { Config } from '../config/config.ts';
import type { Logger } from '../observe/log.ts';
import type { Metrics } from '../observe/metrics.ts';
import { openCertificateEndWatch } from '../observe/certificate-watch.ts';
import { type Certificate, openCertificateWatch, readCertificate } from '../smtp-in/certificate.ts';
import { LIMITS } from '../smtp-in/limits.ts';
import { openSmtpIn, type SmtpIn, type SmtpInOptions } from '../smtp-in/server.ts';

export interface SmtpInRole extends Pick<SmtpIn, 'port' | 'tlsPort'> {
  /** Reads the certificate again; keys and networks are read each time they are used. */
  reload(): void;
  close(): Promise<void>;
}

/** The sandbox's port and certificate, used when the configuration has none. */
export interface SmtpInDefaults {
  readonly port: number;
  readonly certificate: Certificate;
}

export interface SmtpInRoleOptions
  extends Pick<SmtpInOptions, 'directory' | 'submit' | 'guard' | 'countRequest' | 'limits'> {
  readonly config: () => Config;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly defaults?: SmtpInDefaults | undefined;
}

/** Undefined when none is configured, or when the default port is taken. */
export async function openSmtpInRole(options: SmtpInRoleOptions): Promise<SmtpInRole | undefined> {
  const { config, log, defaults } = options;
  const { port, tlsPort, certificate: files } = config().smtpIn;
  const isAsked = port !== undefined || tlsPort !== undefined;
  if (!isAsked && !defaults) return undefined;
  const certificate = files ? readCertificate(files) : defaults?.certificate;
  try {
    const smtp = await open(options, certificate);
    logStart(smtp, certificate, config(), log);
    return roleOf(smtp, certificate, options);
  } catch (error) {
    if (isAsked || (error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw explain(error, config());
    log.warn(
      `SMTP: port ${defaults?.port} is in use by another program, so SMTP is off: set SMTP_IN_PORT to another port`,
    );
    return undefined;
  }
}

function open(
  { config, log, metrics, defaults, ...options }: SmtpInRoleOptions,
  certificate: Certificate | undefined,
): Promise<SmtpIn> {
  const { port, tlsPort } = config().smtpIn;
  const starttlsPort = port ?? (tlsPort === undefined ? defaults?.port : undefined);
  return openSmtpIn({
    ...options,
    host: config().listen.host,
    ...(starttlsPort !== undefined && { port: starttlsPort }),
    ...(tlsPort !== undefined && { tlsPort }),
    ...(certificate && { certificate }),
    keys: () => config().apiKeys,
    trustedNetworks: () => config().smtpIn.trustedNetworks,
    rewritesFrom: (client) => config().smtpIn.rewriteFrom.includes(client),
    onReply: metrics.smtpInReply,
    log,
  });
}

function roleOf(smtp: SmtpIn, first: Certificate | undefined, options: SmtpInRoleOptions): SmtpInRole {
  const { config, log, metrics, limits } = options;
  const { certificateLookMs: lookMs } = { ...LIMITS, ...limits };
  const ends = openCertificateEndWatch(log, metrics);
  const onChange = (certificate: Certificate) => {
    smtp.renew(certificate);
    ends.watch(certificate);
  };
  const files = openCertificateWatch({ first, onChange, lookMs, log });
  const { port, tlsPort } = config().smtpIn;
  const reload = () => {
    const { certificate, ...now } = config().smtpIn;
    if (certificate) files.watch(certificate);
    if (now.port !== port || now.tlsPort !== tlsPort) log.warn('SMTP: changing ports requires a restart');
  };
  if (first) ends.watch(first);
  reload();
  return {
    port: smtp.port,
    tlsPort: smtp.tlsPort,
    reload,
    close: async () => {
      files.close();
      ends.close();
      await smtp.close();
    },
  };
}

function logStart(
  { port, tlsPort }: SmtpIn,
  certificate: Certificate | undefined,
  { listen: { host }, apiKeys, smtpIn }: Config,
  log: Logger,
): void {
  if (port !== undefined) log.info(`SMTP ready at ${host}:${port}${certificate ? ', with STARTTLS' : ''}`);
  if (tlsPort !== undefined) log.info(`SMTP ready at ${host}:${tlsPort}, with TLS from the first byte`);
  for (const { address, prefix, key } of smtpIn.trustedNetworks)
    log.info(`SMTP: clients of ${address}/${prefix} send as the key ${key}, without TLS or login`);
  if (!certificate && apiKeys.length > 0)
    log.warn('SMTP: logins require SMTP_IN_TLS_CERT: without it only clients of SMTP_IN_TRUSTED_NETWORKS can send');
}

function explain(error: unknown, { listen: { host }, smtpIn: { tlsPort } }: Config): unknown {
  const { code, port } = error as NodeJS.ErrnoException & { readonly port?: number };
  const variable = port === tlsPort ? 'SMTP_IN_TLS_PORT' : 'SMTP_IN_PORT';
  const place = `${host}:${port}`;
  const cause = { cause: error };
  if (code === 'EADDRINUSE')
    return new Error(`${place} is in use by another program: stop it, or set ${variable} to another port.`, cause);
  if (code === 'EACCES')
    return new Error(
      `This user may not listen at ${place}: set ${variable} to 1024 or more, or grant the right.`,
      cause,
    );
  return error;
}
