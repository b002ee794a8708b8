/**
 * The submission server (RFC 6409): for programs and devices that can only speak SMTP. Promises: 250 means that the
 * queue has the mail; nobody sends without a key, or the place of one; what is being received when it closes is answered.
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
  /** Answers what is being received, tells the others to go, and ends. */
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
