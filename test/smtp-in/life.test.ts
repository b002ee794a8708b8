/** The submission server as an operator has it: started, reloaded, renewed, closed. */
import { once } from 'node:events';
import { readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { createTransport } from 'nodemailer';
import { pino } from 'pino';
import { describe, expect, onTestFinished, test } from 'vitest';
import { readConfig } from '../../src/config/config.ts';
import { openMetrics } from '../../src/observe/metrics.ts';
import { openSmtpInRole } from '../../src/app/smtp-in-role.ts';
import { type CertificateOptions, makeServerCertificate } from '../../src/sandbox/certificate.ts';
import { startProcess, temporaryFolder } from '../helpers/process.ts';
import { connectClient, idOf, openClient } from './client.ts';
import { BEGIN, KEY, MAIL, MAILBOX, servicesOfFile } from './service.ts';

const { open } = servicesOfFile();

describe('a close', () => {
  test('answers the mail that is being received, and tells the others to go', async () => {
    const service = await open();
    const [sending, idle, unknown] = [await service.client(), await service.client(), await service.greeted()];
    for (const line of BEGIN) await sending.say(line);
    const closed = service.close();
    expect(await idle.reply()).toBe('421 4.3.2 This server is stopping: send again');
    expect(await unknown.reply()).toMatch(/^421 4\.3\.2 /);
    await openClient(service.port).closed;
    sending.write(MAIL);
    expect(await sending.say('\r\n.')).toMatch(/^250 2\.0\.0 Ok: queued as /);
    expect(await sending.reply()).toMatch(/^421 4\.3\.2 /);
    await closed;
  });

  test('waits no longer than it may', async () => {
    const service = await open({ limits: { closeMs: 100 } });
    const client = await service.client();
    for (const line of BEGIN) await client.say(line);
    client.write(MAIL);
    await service.close();
    expect(await client.reply()).toMatch(/^421 4\.3\.2 /);
  });
});

const day = (days: number) => new Date(Date.now() + days * 86_400_000);

interface CertificateFiles {
  readonly cert: string;
  readonly key: string;
}

/** `half`: its key does not come. */
interface Renewal extends CertificateOptions {
  readonly half?: boolean;
}

test('a close waits for nobody who stopped in the middle of TLS', async () => {
  const service = await open({ limits: { closeMs: 100 } });
  const [silent, halfway] = [openClient(service.tlsPort), await service.greeted()];
  await halfway.say('STARTTLS');
  await service.close();
  await Promise.all([silent.closed, halfway.closed]);
});

describe('a renewed certificate', () => {
  async function renew({ cert, key }: CertificateFiles, { half = false, ...options }: Renewal = {}) {
    const { certificate, privateKey } = await makeServerCertificate(options);
    writeFileSync(cert, certificate);
    if (!half) writeFileSync(key, privateKey);
  }
  const serials = async ({ port, tlsPort }: { readonly port: number; readonly tlsPort: number }) => {
    const clients = [await connectClient(tlsPort, { tls: true, check: false }), await connectClient(port)];
    await clients[1]?.greet();
    await clients[1]?.startTls({ check: false });
    return clients.map(({ serial }) => serial);
  };

  test('is taken over while the server runs', async () => {
    const service = await open({ limits: { certificateLookMs: 20 } });
    const before = await serials(service);
    await renew(service.certificate);
    await expect.poll(() => serials(service), { timeout: 20_000 }).not.toEqual(before);
    await expect.poll(() => service.log.join('')).toContain('certificate renewed');
  });

  test('is taken over at SIGHUP', async () => {
    const service = await open({ limits: { certificateLookMs: 3_600_000 } });
    const before = await serials(service);
    await renew(service.certificate);
    await service.reload({});
    const after = await serials(service);
    expect(after).toEqual([after[0], after[0]]);
    expect(after).not.toEqual(before);
  });

  test('is taken over from links that are changed one after the other, as certbot does it', async () => {
    const folder = temporaryFolder();
    const link = (name: string, version: number) => {
      rmSync(join(folder, `${name}.pem`), { force: true });
      symlinkSync(`${name}${version}.pem`, join(folder, `${name}.pem`));
    };
    for (const version of [1, 2]) {
      const { certificate, privateKey } = await makeServerCertificate();
      writeFileSync(join(folder, `fullchain${version}.pem`), certificate);
      writeFileSync(join(folder, `privkey${version}.pem`), privateKey);
    }
    for (const name of ['fullchain', 'privkey']) link(name, 1);
    const service = await open({
      limits: { certificateLookMs: 20 },
      env: { SMTP_IN_TLS_CERT: join(folder, 'fullchain.pem'), SMTP_IN_TLS_KEY: join(folder, 'privkey.pem') },
    });
    const before = await serials(service);
    link('fullchain', 2);
    await expect.poll(() => service.log.join(''), { timeout: 20_000 }).toContain('the old one stays');
    expect(await serials(service)).toEqual(before);
    link('privkey', 2);
    await expect.poll(() => serials(service), { timeout: 20_000 }).not.toEqual(before);
  });

  test('that ends soon is logged', async () => {
    const service = await open({ limits: { certificateLookMs: 3_600_000 } });
    expect(service.log.join('')).not.toContain('the certificate ends');
    await renew(service.certificate, { notBefore: day(-85), notAfter: day(5) });
    await service.reload({});
    expect(service.log.join('')).toMatch(
      /"level":40.*SMTP: the certificate ends in 4 days, on \d{4}-\d\d-\d\d\. Clients that check it/,
    );
  });

  test('is not taken over without its key', async () => {
    const service = await open({ limits: { certificateLookMs: 20 } });
    const before = await serials(service);
    await renew(service.certificate, { half: true });
    await expect.poll(() => service.log.join(''), { timeout: 20_000 }).toContain('the old one stays');
    expect(await serials(service)).toEqual(before);
    await expect(service.reload({})).rejects.toThrow(/SMTP_IN_TLS_CERT cannot be used with SMTP_IN_TLS_KEY/);
  });
});

describe('a certificate', () => {
  test('that is not there at the start is taken over by a reload', async () => {
    const trusted = { SMTP_IN_TRUSTED_NETWORKS: '127.0.0.1/32=shop', SMTP_IN_TLS_CERT: '', SMTP_IN_TLS_KEY: '' };
    const { certificate } = await open();
    const service = await open({ env: { ...trusted, SMTP_IN_TLS_PORT: '' } });
    expect(await (await service.greeted()).greet()).not.toContain('STARTTLS');
    await service.reload({ SMTP_IN_TLS_CERT: certificate.cert, SMTP_IN_TLS_KEY: certificate.key });
    const client = await service.greeted();
    await client.startTls({ check: false });
    expect(await client.send({ data: MAIL })).toMatch(/^250 /);
  });

  test.each([
    ['absent', undefined, /SMTP_IN_TLS_CERT cannot be used with SMTP_IN_TLS_KEY: ENOENT: no such file .*cert\.pem/],
    ['broken', 'no certificate', /SMTP_IN_TLS_CERT cannot be used with SMTP_IN_TLS_KEY: /],
  ])('that is %s lets nothing start, and a reload take nothing over', async (_title, content, message) => {
    const service = await open();
    const { cert } = service.certificate;
    if (content === undefined) rmSync(cert);
    else writeFileSync(cert, content);
    expect(() => readConfig(service.env, 'all')).toThrow(message);
    await expect(service.reload({})).rejects.toThrow(message);
    expect(await (await service.client()).send({ data: MAIL })).toMatch(/^250 /);
  });
});

test('a reload takes over keys and networks for sessions that are open', async () => {
  const service = await open();
  const client = await service.greeted();
  expect(await client.send({ data: MAIL })).toMatch(/^530 /);
  await service.reload({ SMTP_IN_TRUSTED_NETWORKS: '127.0.0.1/32=shop' });
  expect(await client.send({ data: MAIL })).toMatch(/^250 /);
});

test('a reload says that other ports need a restart', async () => {
  const service = await open();
  await service.reload({});
  expect(service.log.join('')).not.toContain('other ports');
  await service.reload({ SMTP_IN_PORT: '2526' });
  expect(service.log.join('')).toContain('SMTP: changing ports requires a restart');
  expect(await (await service.client()).send({ data: MAIL })).toMatch(/^250 /);
});

test('replies are counted', async () => {
  const service = await open();
  const client = await service.client();
  await client.send({ data: MAIL });
  const { body } = await service.request('GET', '/metrics', undefined, { authorization: 'Bearer first-secret' });
  expect(body).toContain('relay365_smtp_in_replies_total{code="235"} 1');
  expect(body).toMatch(/^relay365_smtp_in_certificate_end_timestamp_seconds \d{10}/m);
  expect(body).toContain(`relay365_messages_accepted_total{mailbox="${MAILBOX}"} 1`);
});

describe('npm start', () => {
  test('takes mail by SMTP in the sandbox, and tells where and with what certificate', async () => {
    const dataDir = temporaryFolder();
    const env = { PORT: '0', SMTP_IN_PORT: '0', DATA_DIR: dataDir, API_KEYS: 'shop:first-secret' };
    const process = startProcess('src/start.ts', env);
    const [, port] = /send to localhost:(\d+)\. If they check/.exec(await process.line(/SANDBOX: programs/)) ?? [];
    const ca = readFileSync(join(dataDir, 'sandbox-ca.pem'), 'utf8');
    const transport = createTransport({
      host: 'localhost',
      port: Number(port),
      requireTLS: true,
      tls: { ca },
      auth: { ...KEY },
    });
    const { response } = await transport.sendMail({ to: 'a@example.com', subject: 'Hello', text: 'x' });
    expect(idOf(response)).toMatch(/^[\da-f-]{36}$/);
    expect(await process.end()).toBe(0);
  });
});

describe('a port that is taken', () => {
  const openRole = (env: Record<string, string>, port: number) => {
    const log: string[] = [];
    const role = openSmtpInRole({
      config: () => readConfig(env, 'all'),
      defaults: { port, certificate: { cert: '', key: '' } },
      directory: () => ({ mailboxes: [], pools: [] }),
      submit: async () => ({ kind: 'key-reused' }),
      guard: async () => ({ kind: 'right' }),
      countRequest: async () => ({ count: 1, leftMs: 1 }),
      metrics: openMetrics(),
      log: pino({ level: 'debug' }, { write: (line: string) => log.push(line) }),
    });
    return { role, log };
  };

  test('stops the start when it was asked for', async () => {
    const { port } = await takePort();
    const { role } = openRole({ SMTP_IN_PORT: String(port) }, 2_525);
    await expect(role).rejects.toThrow(`127.0.0.1:${port} is in use by another program`);
  });

  test('is logged, and SMTP stays off, when the port is only the default', async () => {
    const { port } = await takePort();
    const { role, log } = openRole({}, port);
    expect(await role).toBeUndefined();
    expect(log.join('')).toContain(`port ${port} is in use by another program`);
  });
});

/** A port that another program listens at, until the test's end. */
async function takePort(): Promise<{ readonly port: number }> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
  });
  return server.address() as { port: number };
}
