/**
 * The parts of Microsoft 365 that relay365 uses, simulated on loopback: Entra's token endpoint and Exchange Online's
 * submission port. It uses real TLS, SMTP and OAuth, so what works here fails there only because of the tenant.
 */
import { makeServerCertificate, type ServerCertificate } from './certificate.ts';
import { type Entra, openEntra } from './entra.ts';
import { type Exchange, openExchange } from './exchange.ts';
import type { ExchangeLimits } from './limits.ts';

export interface SandboxOptions {
  /** 0 or unset: any free port. */
  readonly smtpPort?: number;
  readonly entraPort?: number;
  /** Default: Exchange Online's own limits. */
  readonly limits?: Partial<ExchangeLimits>;
  /** The simulators' clock, in ms. */
  readonly now?: () => number;
  /** Another certificate, for example one that a client must refuse. */
  readonly certificate?: ServerCertificate;
}

/** A mailbox that is set up as in docs/connect-your-tenant.md, and the app that is allowed to send as it. */
export interface SandboxMailbox {
  readonly address: string;
  readonly tenantId: string;
  readonly clientId: string;
  readonly clientSecret: string;
}

export interface Sandbox {
  /** PEM of the certificate authority that a client must trust. */
  readonly caCertificate: string;
  /** PEM of the servers' certificate and its key, for another server of this machine. */
  readonly certificate: { readonly cert: string; readonly key: string };
  /** `https://localhost:PORT`, instead of login.microsoftonline.com. */
  readonly authorityHost: string;
  /** Instead of smtp.office365.com:587. */
  readonly smtp: { readonly host: string; readonly port: number };
  readonly mailbox: SandboxMailbox;
  readonly entra: Entra;
  readonly exchange: Exchange;
  close(): Promise<void>;
}

const LOOPBACK = '127.0.0.1';

export const SANDBOX_MAILBOX: SandboxMailbox = {
  address: 'sandbox@relay365.example',
  tenantId: '0f365000-5a4d-4b0c-8000-000000000001',
  clientId: '0f365000-5a4d-4b0c-8000-000000000002',
  clientSecret: 'a-secret-of-the-sandbox-and-of-nothing-else',
};

/** Opens both simulators, with one mailbox that works. */
export async function openSandbox(options: SandboxOptions = {}): Promise<Sandbox> {
  const { smtpPort = 0, entraPort = 0, limits = {}, now = Date.now } = options;
  const certificate = options.certificate ?? (await makeServerCertificate());
  const { address, tenantId, clientId, clientSecret } = SANDBOX_MAILBOX;
  const entra = await openEntra({ certificate, host: LOOPBACK, port: entraPort, now });
  const { verifyToken } = entra;
  const exchange = await openExchange({
    certificate,
    host: LOOPBACK,
    port: smtpPort,
    tenantId,
    now,
    verifyToken,
    limits,
  }).catch(async (error: unknown) => {
    await entra.close();
    throw error;
  });
  entra.addApp({ tenantId, clientId, secrets: [clientSecret] });
  exchange.addMailbox({ address });
  return {
    caCertificate: certificate.caCertificate,
    certificate: { cert: certificate.certificate, key: certificate.privateKey },
    authorityHost: entra.authorityHost,
    smtp: { host: 'localhost', port: exchange.port },
    mailbox: SANDBOX_MAILBOX,
    entra,
    exchange,
    close: async () => {
      await Promise.all([exchange.close(), entra.close()]);
    },
  };
}
