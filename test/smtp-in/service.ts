/** relay365 with its submission server, a certificate in files and two keys. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, onTestFinished } from 'vitest';
import { makeServerCertificate, type ServerCertificate } from '../../src/sandbox/certificate.ts';
import type { SmtpInLimits } from '../../src/smtp-in/limits.ts';
import { eventually } from '../helpers/eventually.ts';
import { startTestRedis, type TestRedis } from '../helpers/redis.ts';
import {
  type Answer,
  type AtEnd,
  isFinal,
  openTestService,
  type TestService,
  type TestServiceOptions,
} from '../helpers/service.ts';
import { connectClient, type Login, type TestClient } from './client.ts';

export const MAILBOX = 'sandbox@relay365.example';
export const KEY: Login = { user: 'shop', pass: 'first-secret' };
export const OTHER_KEY: Login = { user: 'crm', pass: 'second-secret' };

export const HEAD = `From: Shop <${MAILBOX}>\r\nTo: someone@example.com\r\nSubject: Hello\r\n`;
export const WHOLE_HEAD = `${HEAD}Date: Wed, 25 Nov 2026 10:00:00 +0100\r\nMessage-ID: <one@shop.example>\r\n`;
export const MAIL = `${WHOLE_HEAD}\r\nHello there.`;
/** What a client says before its mail. */
export const BEGIN = [`MAIL FROM:<${MAILBOX}>`, 'RCPT TO:<a@example.com>', 'DATA'];

export interface SmtpService extends TestService {
  readonly port: number;
  readonly tlsPort: number;
  readonly certificate: CertificateFiles;
  /** What the API says of a mail, or of all, to the key that sent it. */
  look(id: string): Promise<Answer>;
  list(): Promise<Answer>;
  untilFinal(id: string): Promise<Answer['body']>;
  /** A client that has said EHLO. */
  greeted(): Promise<TestClient>;
  /** A client in TLS that has logged in. */
  client(login?: Login): Promise<TestClient>;
}

export interface SmtpServiceOptions extends Partial<TestServiceOptions> {
  readonly location: TestServiceOptions['location'];
  readonly limits?: Partial<SmtpInLimits>;
}

interface ServicesOfFile {
  /** A service until the test's end. */
  open(options?: Partial<SmtpServiceOptions>): Promise<SmtpService>;
  /** One service for all tests around. */
  openForAll(options?: Partial<SmtpServiceOptions>): () => SmtpService;
}

interface CertificateFiles {
  readonly cert: string;
  readonly key: string;
}

/** A Redis for the tests of a file, and services on it. */
export function servicesOfFile(): ServicesOfFile {
  let redis: TestRedis | undefined;
  beforeAll(async () => {
    redis = await startTestRedis();
  });
  afterAll(() => redis?.close());
  const located = (options: Partial<SmtpServiceOptions>) => ({
    location: (redis as TestRedis).location,
    ...options,
  });
  return {
    open: (options = {}) => openSmtpService(located(options)),
    openForAll: (options = {}) => serviceOfAll(() => located(options)),
  };
}

function serviceOfAll(options: () => SmtpServiceOptions): () => SmtpService {
  let service: SmtpService | undefined;
  const closers: (() => Promise<void>)[] = [];
  beforeAll(async () => {
    service = await openSmtpService({ ...options(), atEnd: (close) => closers.unshift(close) });
  });
  afterAll(async () => {
    for (const close of closers) await close();
  });
  return () => service as SmtpService;
}

export async function openSmtpService({ limits, ...options }: SmtpServiceOptions): Promise<SmtpService> {
  const made = await makeServerCertificate();
  const certificate = certificateFiles(made, options.atEnd ?? onTestFinished);
  const service = await openTestService({
    workers: 0,
    ...options,
    sandbox: { certificate: made, ...options.sandbox },
    smtpInLimits: { greetingMs: 1, wrongLoginDelayMs: 0, ...limits },
    env: {
      API_KEYS: [KEY, OTHER_KEY].map(({ user, pass }) => `${user}:${pass}`).join(','),
      SMTP_IN_PORT: '0',
      SMTP_IN_TLS_PORT: '0',
      SMTP_IN_TLS_CERT: certificate.cert,
      SMTP_IN_TLS_KEY: certificate.key,
      ...options.env,
    },
  });
  const { port = 0, tlsPort = 0 } = service.smtpIn ?? {};
  const asked = (path: string) => service.request('GET', path, undefined, { authorization: `Bearer ${KEY.pass}` });
  const greeted = async () => {
    const client = await connectClient(port);
    await client.greet();
    return client;
  };
  return {
    ...service,
    port,
    tlsPort,
    certificate,
    greeted,
    look: (id) => asked(`/messages/${id}`),
    list: () => asked('/messages'),
    untilFinal: async (id) => {
      const { body } = await eventually(
        () => asked(`/messages/${id}`),
        (answer) => isFinal(answer.body),
      );
      return body;
    },
    client: async (login = KEY) => {
      const client = await greeted();
      await client.startTls();
      await client.logIn(login);
      return client;
    },
  };
}

function certificateFiles({ certificate, privateKey }: ServerCertificate, atEnd: AtEnd): CertificateFiles {
  const folder = mkdtempSync(join(tmpdir(), 'relay365-test-'));
  atEnd(async () => rmSync(folder, { recursive: true, force: true }));
  const files = { cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') };
  writeFileSync(files.cert, certificate);
  writeFileSync(files.key, privateKey);
  return files;
}
