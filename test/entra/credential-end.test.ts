import { X509Certificate } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { credentialEnd, daysUntil } from '../../src/entra/credential-end.ts';
import { makeClientCertificate, testFile } from './application.ts';

const DAY_MS = 86_400_000;
const DAY = new Date('2027-01-31T00:00:00Z');

describe('the end of a credential', () => {
  test('is that of the first certificate in the file', async () => {
    const [first, second] = await Promise.all([
      makeClientCertificate(new Date(Date.now() + 20 * DAY_MS)),
      makeClientCertificate(new Date(Date.now() + 400 * DAY_MS)),
    ]);
    const path = testFile('app.pem', `${first.privateKey}\n${first.certificate}\n${second.certificate}\n`);
    const end = await credentialEnd({ kind: 'certificate', path }, DAY);
    expect(end).toEqual(new X509Certificate(first.certificate).validToDate);
  });

  test.each([
    ['of a secret, from the configuration', { kind: 'secret', secret: 's' }, DAY, DAY],
    ['of a secret without a date in the configuration', { kind: 'secret', secret: 's' }, undefined, undefined],
    ['of a federated token', { kind: 'federated', path: '/token' }, undefined, undefined],
    ['of a certificate file that does not exist', { kind: 'certificate', path: '/no/app.pem' }, undefined, undefined],
  ] as const)('%s', async (_title, credential, configured, expected) => {
    expect(await credentialEnd(credential, configured)).toEqual(expected);
  });

  test('of a file without a certificate is unknown', async () => {
    const path = testFile('app.pem', (await makeClientCertificate()).privateKey);
    expect(await credentialEnd({ kind: 'certificate', path })).toBeUndefined();
  });
});

test.each([
  [0, 0],
  [DAY_MS - 1, 0],
  [DAY_MS, 1],
  [30 * DAY_MS + 1, 30],
  [-1, -1],
  [-DAY_MS, -1],
])('%i ms from now are %i whole days', (ms, days) => {
  expect(daysUntil(new Date(DAY.getTime() + ms), DAY)).toBe(days);
});
