/**
 * The submission server (RFC 6409) for programs and devices that only speak SMTP. Promises: 250 means that the message is
 * queued; every client has a key or a trusted network; messages in progress at a shutdown get their reply.
 */
import type { Certificate } from './certificate.ts';
import { SubmissionServer, type SubmissionServerOptions } from './submission-server.ts';

export interface SmtpInOptions extends SubmissionServerOptions {
  /** For STARTTLS; undefined: not opened. */
  readonly port?: number;
  /** For TLS from the first byte; undefined: not opened. Needs a certificate. */
  readonly tlsPort?: number;
}

export interface SmtpIn {
  readonly port: number | undefined;
  readonly tlsPort: number | undefined;
  renew(certificate: Certificate): void;
  /** Answers messages in progress, disconnects the others, and ends. */
  close(): Promise<void>;
}

export async function openSmtpIn(options: SmtpInOptions): Promise<SmtpIn> {
  const submissionServer = new SubmissionServer(options);
  try {
    const port = options.port === undefined ? undefined : await submissionServer.listen(options.port, false);
    const tlsPort = options.tlsPort === undefined ? undefined : await submissionServer.listen(options.tlsPort, true);
    return {
      port,
      tlsPort,
      renew: (certificate) => submissionServer.renew(certificate),
      close: () => submissionServer.close(),
    };
  } catch (error) {
    await submissionServer.close();
    throw error;
  }
}
