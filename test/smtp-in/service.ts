/** relay365 with its submission server, a certificate in files and two keys. All of it is closed at the test's end. */
import type { SmtpInLimits } from '../../src/smtp-in/limits.ts';
import { makeServerCertificate } from '../../src/sandbox/certificate.ts';
import { temporaryFile } from '../helpers/process.ts';
import {
  type Answer,
  isFinal,
  openTestService,
  type TestService,
  type TestServiceOptions,
} from '../helpers/service.ts';
import { connectClient, type TestClient } from './client.ts';

export const MAILBOX = 'sandbox@relay365.example';
export const KEY = { user: 'shop', pass: 'first-secret' };

const POLL_MS = 15;

export interface SmtpService extends TestService {
  readonly port: number;
  readonly tlsPort: number;
  readonly certificate: { readonly cert: string; readonly key: string };
  /** What the API says of a mail, or of all, to the key that sent it. */
  look(id: string): Promise<Answer>;
  list(): Promise<Answer>;
  untilFinal(id: string): Promise<Answer['body']>;
  /** A client that is greeted and known, in TLS unless it is told otherwise. */
  client(options?: { readonly login?: typeof KEY | undefined; readonly tls?: boolean }): Promise<TestClient>;
}

export type SmtpServiceOptions = Partial<TestServiceOptions> &
  Pick<TestServiceOptions, 'location'> & { readonly limits?: Partial<SmtpInLimits> };

export async function openSmtpService({ limits, ...options }: SmtpServiceOptions): Promise<SmtpService> {
  const made = await makeServerCertificate();
  const certificate = {
    cert: temporaryFile('cert.pem', made.certificate),
    key: temporaryFile('key.pem', made.privateKey),
  };
  const service = await openTestService({
    workers: 0,
    ...options,
    sandbox: { certificate: made, ...options.sandbox },
    smtpInLimits: { wrongLoginDelayMs: 0, ...limits },
    env: {
      API_KEYS: `${KEY.user}:${KEY.pass},crm:second-secret`,
      SMTP_IN_PORT: '0',
      SMTP_IN_TLS_PORT: '0',
      SMTP_IN_TLS_CERT: certificate.cert,
      SMTP_IN_TLS_KEY: certificate.key,
      ...options.env,
    },
  });
  const asked = (path: string) => service.request('GET', path, undefined, { authorization: `Bearer ${KEY.pass}` });
  const look = (id: string) => asked(`/messages/${id}`);
  const { port = 0, tlsPort = 0 } = service.smtpIn ?? {};
  return {
    ...service,
    port,
    tlsPort,
    certificate,
    look,
    list: () => asked('/messages'),
    untilFinal: async (id) => {
      for (;;) {
        const { body } = await look(id);
        if (isFinal(body)) return body;
        await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      }
    },
    client: async ({ login = KEY, tls = true } = {}) => {
      const client = await connectClient(port);
      await client.greet();
      if (tls) await client.startTls();
      if (tls) await client.logIn(login);
      return client;
    },
  };
}
