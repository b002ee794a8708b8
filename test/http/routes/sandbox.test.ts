import { describe, expect, test } from 'vitest';
import type { SandboxMessages } from '../../../src/http/app.ts';
import { openTestApp } from '../../helpers/app.ts';

const TAKEN = {
  n: 2,
  receivedAt: '2026-12-01T09:00:00.000Z',
  mailbox: 'noreply@contoso.com',
  from: 'noreply@contoso.com',
  to: ['a@example.com'],
  subject: 'Grüße',
  messageId: null,
  sizeBytes: 20,
};
const RAW = Buffer.from('Subject: x\r\n\r\n\x00\xff<script>\r\n', 'latin1');
const SANDBOX: SandboxMessages = { list: () => [TAKEN], raw: (n) => (n === 2 ? RAW : undefined) };

describe('the sandbox routes', () => {
  test('list what the simulated Exchange accepted', async () => {
    const { app } = openTestApp({ sandbox: SANDBOX });
    expect((await app.inject('/sandbox/messages')).json()).toEqual({ items: [TAKEN] });
  });

  test('give a message byte for byte, as a download', async () => {
    const { app } = openTestApp({ sandbox: SANDBOX });
    const response = await app.inject('/sandbox/messages/2.eml');
    expect(response.rawPayload).toEqual(RAW);
    expect(response.headers).toMatchObject({
      'content-type': 'message/rfc822',
      'content-disposition': 'attachment; filename="2.eml"',
      'x-content-type-options': 'nosniff',
    });
  });

  test.each(['1', '0', '-1', '2.5', 'x', '2e0', '99999999999999999999'])('answer 404 for the number %s', async (n) => {
    const { app } = openTestApp({ sandbox: SANDBOX });
    const response = await app.inject(`/sandbox/messages/${n}.eml`);
    expect([response.statusCode, response.json().type]).toEqual([404, 'urn:relay365:problem:not-found']);
  });

  test.each(['/sandbox/messages', '/sandbox/messages/1.eml'])(
    '%s says why it is 404 where there is no sandbox',
    async (url) => {
      const { app } = openTestApp();
      const response = await app.inject(url);
      expect([response.statusCode, response.json().type]).toEqual([404, 'urn:relay365:problem:sandbox-only']);
    },
  );
});
