/**
 * Attempts to smuggle headers, recipients or whole messages through every field: each is refused, or arrives as plain
 * content of the one message that was sent, to those that it was sent to.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestRedis, type TestRedis } from '../helpers/redis.ts';
import { isFinal, openTestService, type TestService } from '../helpers/service.ts';

let redis: TestRedis;
beforeAll(async () => {
  redis = await startTestRedis();
});
afterAll(() => redis.close());

const open = (): Promise<TestService> =>
  openTestService({
    location: redis.location,
    env: { M365_MESSAGES_PER_MINUTE: '0' },
    sandbox: { limits: { messagesPerMinute: 0 } },
  });

const INJECTED = 'X-Injected: yes';
/** Line ends of SMTP, of sloppy servers, of Unicode and of other encodings, and what ends a message. */
const LINE_ENDS = ['\r\n', '\n', '\r', '\0', '\x0b', '\x0c', '\x85', '\u2028', '\u2029', '\r\n\r\n', '\n\n', '\r\r'];
const PAYLOADS: readonly string[] = [
  ...LINE_ENDS.map((end) => `a${end}${INJECTED}`),
  ...LINE_ENDS.map((end) => `a${end}.${end}MAIL FROM:<evil@example.com>${end}`),
  `a =?utf-8?q?=0D=0A${INJECTED.replaceAll(' ', '_')}?=`,
  `a%0d%0a${INJECTED}`,
  `a\\r\\n${INJECTED}`,
  '嘊嘍X-Injected: yes',
];

const FIELDS: Readonly<Record<string, (payload: string) => object>> = {
  from: (payload) => ({ from: { name: payload, address: 'sandbox@relay365.example' } }),
  'from.address': (payload) => ({ from: `sandbox@relay365.example${payload}` }),
  to: (payload) => ({ to: { name: payload, address: 'someone@example.com' } }),
  'to.address': (payload) => ({ to: `someone@example.com${payload}` }),
  'to, quoted': (payload) => ({ to: `"${payload}"@example.com` }),
  cc: (payload) => ({ cc: `${payload} <someone@example.com>` }),
  bcc: (payload) => ({ bcc: `someone@example.com>${payload}<x@example.com>` }),
  replyTo: (payload) => ({ replyTo: { name: payload, address: 'someone@example.com' } }),
  subject: (payload) => ({ subject: payload }),
  text: (payload) => ({ text: payload }),
  html: (payload) => ({ html: `<p>${payload}</p>` }),
  'headers, value': (payload) => ({ headers: { 'X-Mine': payload } }),
  'headers, name': (payload) => ({ headers: { [`X-Mine${payload}`]: 'x' } }),
  'attachments, filename': (payload) => ({ attachments: [{ filename: payload, content: 'YQ==' }] }),
  'attachments, contentType': (payload) => ({
    attachments: [{ filename: 'a', content: 'YQ==', contentType: `text/plain${payload}` }],
  }),
  'attachments, contentId': (payload) => ({
    attachments: [{ filename: 'a', content: 'YQ==', contentId: `a${payload}` }],
  }),
  'attachments, content': (payload) => ({
    attachments: [{ filename: 'a', content: Buffer.from(payload).toString('base64') }],
  }),
  'calendar, method': (payload) => ({ calendar: { method: `REQUEST${payload}`, content: 'BEGIN:VCALENDAR' } }),
  'calendar, content': (payload) => ({ calendar: { method: 'REQUEST', content: `BEGIN:VCALENDAR\r\n${payload}` } }),
  'metadata, key': (payload) => ({ metadata: { [payload]: 'x' } }),
  'metadata, value': (payload) => ({ metadata: { x: payload } }),
  mailbox: (payload) => ({ mailbox: `sandbox@relay365.example${payload}` }),
};

/** What stands behind `someone@example.com` may make another domain of it, but nothing else. */
const RECIPIENT = /^(someone@example\.[a-z0-9.-]+|"[^<>\r\n]*"@example\.com)$/;
const OWN_HEADERS = /^(From|To|Cc|Reply-To|Subject|Message-ID|Date|MIME-Version|Content-[\w-]+|X-Mine[!-9;-~]*)$/;

/** Sends it; what Exchange took of it is one message, to whom it was sent, with headers of ours alone. */
async function attack(service: TestService, mail: object): Promise<'refused' | 'sent'> {
  const { status, body } = await service.request('POST', '/send', {
    to: 'someone@example.com',
    text: 'Hello.',
    ...mail,
  });
  if (status !== 202) {
    expect([403, 422]).toContain(status);
    return 'refused';
  }
  const message = await service.until(body.id, isFinal);
  expect(message).toMatchObject({ status: 'sent', attempts: [{ outcome: 'sent' }] });
  const [taken, ...others] = service.sandbox.exchange.messages.filter(({ messageId }) => messageId === body.messageId);
  expect(others).toEqual([]);
  expect(taken?.from).toBe('sandbox@relay365.example');
  for (const recipient of taken?.recipients ?? []) expect(recipient).toMatch(RECIPIENT);
  checkHead(taken?.raw ?? Buffer.alloc(0));
  return 'sent';
}

/** Whatever else Exchange was made to take is one message too many. */
async function attackAll(service: TestService, mails: readonly object[]): Promise<void> {
  const { exchange } = service.sandbox;
  const before = exchange.messages.length;
  const outcomes = await Promise.all(mails.map((mail) => attack(service, mail)));
  expect(exchange.messages.length - before).toBe(outcomes.filter((outcome) => outcome === 'sent').length);
}

/** Every line of the header is one of ours or the folded rest of one, and no line ends in another way than CRLF. */
function checkHead(raw: Buffer): void {
  const text = raw.toString('latin1');
  const head = text.slice(0, text.indexOf('\r\n\r\n'));
  for (const line of head.split('\r\n')) {
    expect(line).toMatch(/^([!-9;-~]+:|[ \t])/);
    expect(line).not.toMatch(/[\r\n\0\x0b\x0c]/);
    const name = /^([!-9;-~]+):/.exec(line)?.[1];
    if (name !== undefined) expect(name).toMatch(OWN_HEADERS);
  }
  expect(text.replaceAll('\r\n', '')).not.toMatch(/[\r\n]/);
}

describe('what would be a header, a recipient or a message of its own', () => {
  test.each(Object.entries(FIELDS))('is none in %s', async (_field, mailOf) => {
    const service = await open();
    await attackAll(service, PAYLOADS.map(mailOf));
  });

  test('is none in any field, whatever it is made of', async () => {
    const service = await open();
    const piece = fc.oneof(
      fc.constantFrom(
        ...LINE_ENDS,
        '.',
        ':',
        INJECTED,
        '<',
        '>',
        '"',
        ' ',
        '\t',
        ';',
        '\\',
        ',',
        'ü',
        '😀',
        '=?utf-8?b?',
      ),
      fc.string({ unit: 'grapheme', maxLength: 6 }),
    );
    const payload = fc.array(piece, { minLength: 1, maxLength: 12 }).map((pieces) => pieces.join(''));
    const mail = fc.tuple(fc.constantFrom(...Object.values(FIELDS)), payload).map(([mailOf, text]) => mailOf(text));
    await fc.assert(
      fc.asyncProperty(fc.array(mail, { maxLength: 25 }), (mails) => attackAll(service, mails)),
      { numRuns: 20 },
    );
  }, 60_000);
});

describe('text that means something to SMTP', () => {
  test.each([
    ['a line that is a dot', 'a\r\n.\r\nb\r\n'],
    ['the end of a message by bare line feeds', 'a\n.\nMAIL FROM:<evil@example.com>\n'],
    ['the end of a message by bare carriage returns', 'a\r.\rMAIL FROM:<evil@example.com>\r'],
    ['the end of a message by a mixture', 'a\n.\r\nMAIL FROM:<evil@example.com>\r\n'],
    ['dots at the beginning of lines', '.a\r\n..b\r\n...\r\n'],
    ['a line of 100,000 characters', 'x'.repeat(100_000)],
  ])('arrives as text: %s', async (_title, text) => {
    const service = await open();
    expect(await attack(service, { text })).toBe('sent');
    expect(await attack(service, { html: text })).toBe('sent');
    for (const { raw } of service.sandbox.exchange.messages) {
      const longest = Math.max(
        ...raw
          .toString('latin1')
          .split('\r\n')
          .map(({ length }) => length),
      );
      expect(longest).toBeLessThanOrEqual(998);
    }
  });
});
