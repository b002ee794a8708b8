import { createSecureContext, TLSSocket } from 'node:tls';
import { createServer } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { classify } from '../../src/core/replies/classify.ts';
import type { Outcome } from '../../src/core/replies/outcome.ts';
import { type CertificateOptions, makeServerCertificate } from '../../src/sandbox/certificate.ts';
import { closeServer, listen } from '../../src/sandbox/listen.ts';
import { request, openTestExchange, openTestPool, seen } from './exchange.ts';
import { openPlainServer, type PlainServer, WITHOUT_STARTTLS } from './plain-server.ts';

const DAY_MS = 86_400_000;

/** The id of a failed outcome's classification, and its error code. */
function classified(outcome: Outcome): readonly [string, string | undefined] {
  if (outcome.kind === 'accepted') throw new Error('It was accepted.');
  return [classify(outcome).id, 'code' in outcome ? outcome.code : undefined];
}

describe('a certificate that is not trusted ends the dialogue before the login', () => {
  test.each<[string, CertificateOptions, string]>([
    [
      'expired',
      { notBefore: new Date(Date.now() - 2 * DAY_MS), notAfter: new Date(Date.now() - DAY_MS) },
      'CERT_HAS_EXPIRED',
    ],
    ['not yet valid', { notBefore: new Date(Date.now() + DAY_MS) }, 'CERT_NOT_YET_VALID'],
    ['for another host', { hosts: ['smtp.example.com'] }, 'ERR_TLS_CERT_ALTNAME_INVALID'],
    [
      'for a host whose name begins with this one',
      { hosts: ['localhost.example.com'] },
      'ERR_TLS_CERT_ALTNAME_INVALID',
    ],
  ])('%s', async (_title, options, code) => {
    const exchange = await openTestExchange(options);
    const outcome = await openTestPool(exchange).deliver(request());
    expect(classified(outcome)).toEqual(['certificate', code]);
    expect([exchange.logins, exchange.attempts]).toEqual([[], []]);
  });

  test('signed by an unknown authority', async () => {
    const exchange = await openTestExchange({}, false);
    const outcome = await openTestPool(exchange).deliver(request());
    expect(classified(outcome)[0]).toBe('certificate');
    expect([exchange.logins, exchange.attempts]).toEqual([[], []]);
  });

  test.each([
    ['127.0.0.1', ['localhost'], 'ERR_TLS_CERT_ALTNAME_INVALID'],
    ['127.0.0.1', ['127.0.0.1'], undefined],
    ['localhost', ['localhost'], undefined],
  ])('of a server asked for as %s, for %s', async (host, hosts, code) => {
    const exchange = await openTestExchange({ hosts });
    const outcome = await openTestPool(exchange, undefined, host).deliver(request());
    if (code === undefined) expect(seen(outcome)).toBe('accepted 250');
    else expect(classified(outcome)).toEqual(['certificate', code]);
  });
});

describe('no login and no message is sent over a connection that cannot be secured', () => {
  const expectNothingSaid = ({ heard }: PlainServer) => expect(heard).not.toMatch(/AUTH|MAIL|PASS|Hello/i);

  test.each<[string, Parameters<typeof openPlainServer>[0]]>([
    ['without STARTTLS', WITHOUT_STARTTLS],
    [
      'that offers it and refuses',
      [
        ['EHLO', '250-x\r\n250 STARTTLS'],
        ['STARTTLS', '500 5.5.1 No'],
      ],
    ],
    [
      'that accepts it and continues without TLS',
      [
        ['EHLO', '250-x\r\n250 STARTTLS'],
        ['', '220 2.0.0 SMTP server ready'],
      ],
    ],
  ])('to a server %s', async (_title, answers) => {
    const server = await openPlainServer(answers, onTestFinished);
    expect(classified(await openTestPool(server).deliver(request()))[0]).toBe('tls');
    expectNothingSaid(server);
  });

  test('to a server that speaks HTTP', async () => {
    const server = await openPlainServer([['', 'HTTP/1.1 400 Bad Request']], onTestFinished, 'HTTP/1.1 200 OK');
    const outcome = await openTestPool(server).deliver(request());
    expect(classified(outcome)[0]).toBe('connection-failed');
    expectNothingSaid(server);
  });

  test('to a server that has only TLS 1.1', async () => {
    const port = await openOldServer();
    const outcome = await openTestPool({ port }).deliver(request());
    expect(classified(outcome)[0]).toBe('tls');
  });
});

/** A server with STARTTLS, but only for an old version of TLS. */
async function openOldServer(): Promise<number> {
  const { privateKey, certificate } = await makeServerCertificate();
  const secureContext = createSecureContext({
    key: privateKey,
    cert: certificate,
    minVersion: 'TLSv1',
    maxVersion: 'TLSv1.1',
    ciphers: 'DEFAULT@SECLEVEL=0',
  });
  const server = createServer((socket) => {
    socket.on('error', () => undefined).write('220 old.example ESMTP\r\n');
    socket.on('data', (chunk) => {
      if (chunk.toString().startsWith('EHLO')) socket.write('250-old.example\r\n250 STARTTLS\r\n');
      if (!chunk.toString().startsWith('STARTTLS')) return;
      socket.removeAllListeners('data');
      socket.write('220 2.0.0 SMTP server ready\r\n');
      new TLSSocket(socket, { isServer: true, secureContext }).on('error', () => undefined);
    });
  });
  const port = await listen(server, '127.0.0.1', 0);
  onTestFinished(() => closeServer(server, () => undefined));
  return port;
}
