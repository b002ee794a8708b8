import { describe, expect, test } from 'vitest';
import { SendRequest } from '../../src/http/schemas/send.ts';
import { apiKey, MAILBOX, openTestApp } from '../helpers/app.ts';

const MAIL = { to: 'someone@example.com', text: 'Hello!' };

/** What is wrong with one field: its value, the place that is told, and words of what is said. */
type Case = readonly [field: string, value: unknown, place: string, words: string];

const CASES: readonly Case[] = [
  ['from', 5, 'from', 'Must be a string or an object with name, address, not a number.'],
  ['from', ['a@example.com'], 'from', 'not a list'],
  ['from', 'nobody', 'from', 'is not an address'],
  ['from', { name: 'A' }, 'from.address', 'This field is required.'],
  ['to', 5, 'to', 'Must be a string or an object with name, address or a list, not a number.'],
  ['to', null, 'to', 'not null; leave the field out instead'],
  ['to', [], 'to', 'at least one recipient'],
  ['to', ['a@example.com', true], 'to[1]', 'not true or false'],
  ['to', 'a@example.com, b@example.com', 'to', 'give a list'],
  ['to', [{ address: 'a@example.com', email: 'x' }], 'to[0].email', 'Unknown field. Known fields: name, address.'],
  ['to', [{ address: 5 }], 'to[0].address', 'Must be a string'],
  ['to', [{ name: 5, address: 'a@example.com' }], 'to[0].name', 'Must be a string'],
  ['to', 'a@example.com\r\nBcc: x@example.com', 'to', 'control character'],
  ['to', Array.from({ length: 501 }, (_, n) => `a${n}@example.com`), 'to', '501 recipients'],
  ['cc', 'nobody', 'cc', 'is not an address'],
  ['cc', {}, 'cc.address', 'This field is required.'],
  ['bcc', ['a@'], 'bcc[0]', 'is not an address'],
  ['bcc', 1, 'bcc', 'not a number'],
  ['replyTo', 'x', 'replyTo', 'is not an address'],
  ['replyTo', false, 'replyTo', 'not true or false'],
  ['subject', 5, 'subject', 'Must be a string, not a number.'],
  ['subject', 'a\r\nBcc: x@example.com', 'subject', 'line break'],
  ['subject', 'x'.repeat(999), 'subject', 'limit is 998'],
  ['text', { a: 1 }, 'text', 'Must be a string, not an object.'],
  ['text', '', 'text', 'The message is empty'],
  ['html', [], 'html', 'Must be a string, not a list.'],
  ['headers', 'X-A: b', 'headers', 'Must be an object of strings, not "X-A: b".'],
  ['headers', { 'X-A': 5 }, 'headers.X-A', 'Must be a string'],
  ['headers', { 'X-A\n': 5 }, 'headers.X-A\n', 'Must be a string'],
  ['headers', { Subject: 'x' }, 'headers.Subject', 'Use the field subject'],
  ['headers', { 'Content-Type': 'x' }, 'headers.Content-Type', 'Content'],
  ['headers', { 'X A': 'b' }, 'headers.X A', '1 to 76 printable ASCII characters'],
  ['headers', { 'X-A': 'x'.repeat(4_097) }, 'headers.X-A', '4096'],
  ['headers', { 'X-A': 'a\r\nb' }, 'headers.X-A', 'line break'],
  ['attachments', {}, 'attachments', 'Must be a list, not an object.'],
  ['attachments', [{ filename: 'a' }], 'attachments[0].content', 'This field is required.'],
  ['attachments', [{ content: 'YQ==' }], 'attachments[0].filename', 'This field is required.'],
  ['attachments', [{ filename: 'a', content: 'ä' }], 'attachments[0].content', 'not Base64'],
  ['attachments', [{ filename: '', content: 'YQ==' }], 'attachments[0].filename', 'is empty'],
  ['attachments', [{ filename: 'a'.repeat(256), content: 'YQ==' }], 'attachments[0].filename', '255'],
  ['attachments', [{ filename: '../a', content: 'YQ==' }], 'attachments[0].filename', 'bare name'],
  ['attachments', [{ filename: 'a', content: 'YQ==', contentType: 'pdf' }], 'attachments[0].contentType', 'media type'],
  [
    'attachments',
    [{ filename: 'a', content: 'YQ==', contentId: '<a@b>' }],
    'attachments[0].contentId',
    'without angle brackets',
  ],
  [
    'attachments',
    [{ filename: 'a', content: 'YQ==', content_type: 'x' }],
    'attachments[0].content_type',
    'Did you mean contentType?',
  ],
  ['calendar', 'BEGIN:VCALENDAR', 'calendar', 'Must be an object with method, content'],
  ['calendar', { method: 'INVITE', content: 'BEGIN:VCALENDAR' }, 'calendar.method', 'Unknown method'],
  ['calendar', { method: 'REQUEST', content: 'x' }, 'calendar.content', 'BEGIN:VCALENDAR'],
  [
    'calendar',
    { method: 'REQUEST', content: 'BEGIN:VCALENDAR\r\nMETHOD:CANCEL\r\nEND:VCALENDAR' },
    'calendar.method',
    'The content has METHOD:CANCEL',
  ],
  ['importance', 'urgent', 'importance', 'Must be one of "high", "normal", "low", not "urgent".'],
  ['importance', 1, 'importance', 'not a number'],
  ['priority', 'highest', 'priority', 'Must be one of'],
  ['mailbox', 5, 'mailbox', 'Must be a string'],
  ['mailbox', 'other@contoso.com', 'mailbox', 'Known mailboxes: noreply@contoso.com'],
  ['metadata', ['a'], 'metadata', 'Must be an object of strings, not a list.'],
  ['metadata', { a: 5 }, 'metadata.a', 'Must be a string'],
  ['metadata', { a: 'x'.repeat(513) }, 'metadata.a', '512'],
  ['metadata', { ['k'.repeat(65)]: 'x' }, 'metadata', '64'],
  ['metadata', Object.fromEntries(Array.from({ length: 21 }, (_, n) => [`k${n}`, ''])), 'metadata', 'limit is 20'],
  ['sendAt', 17, 'sendAt', 'Must be a string'],
  ['sendAt', 'tomorrow', 'sendAt', 'RFC 3339'],
  ['sendAt', '2026-12-24', 'sendAt', 'RFC 3339'],
  ['sendAt', '2026-12-24T18:00:00', 'sendAt', 'with its zone'],
  ['sendAt', '2020-01-01T00:00:00Z', 'sendAt', 'is in the past'],
  ['sendAt', '2099-01-01T00:00:00+01:00', 'sendAt', 'more than 30 days ahead'],
  ['expiresAt', '2026-13-45T18:00:00Z', 'expiresAt', 'RFC 3339'],
  ['expiresAt', '2099-01-01T00:00:00Z', 'expiresAt', 'more than 30 days ahead'],
  ['expiresAt', '2020-01-01T00:00:00Z', 'expiresAt', 'is in the past'],
];

async function errorsOf(
  payload: object | string,
  url = '/send',
): Promise<readonly { field: string; message: string }[]> {
  const { app, queued } = openTestApp();
  const headers = { 'content-type': 'application/json' };
  const response = await app.inject({ method: 'POST', url, headers, payload });
  expect(response.statusCode).toBe(422);
  expect(response.json().type).toBe('urn:relay365:problem:invalid-message');
  expect(queued).toHaveLength(0);
  return response.json().errors;
}

describe('an invalid field', () => {
  test.each(CASES)('%s: %j is one error, at %s', async (field, value, place, words) => {
    const errors = await errorsOf({ ...MAIL, [field]: value });
    expect(errors).toEqual([{ field: place, message: expect.stringContaining(words) }]);
  });

  test('of every name has a case here', () => {
    expect(new Set(CASES.map(([field]) => field))).toEqual(new Set(Object.keys(SendRequest.properties)));
  });
});

describe('an unknown field', () => {
  test.each([
    ['reply_to', 'Unknown field. Did you mean replyTo?'],
    ['REPLY-TO', 'Unknown field. Did you mean replyTo?'],
    ['sujbect', 'Unknown field. Did you mean subject?'],
    ['attachment', 'Unknown field. Did you mean attachments?'],
    ['foo', expect.stringMatching(/^Unknown field. Known fields: from, to, cc/)],
    ['body', expect.stringMatching(/^Unknown field. Known fields: from, to, cc/)],
    ['toString', expect.stringMatching(/^Unknown field. Known fields: /)],
  ])('%s is refused with its name', async (name, message) => {
    expect(await errorsOf({ ...MAIL, [name]: 'x' })).toEqual([{ field: name, message }]);
  });

  test('with a very long name is cut', async () => {
    const [error] = await errorsOf({ ...MAIL, ['x'.repeat(10_000)]: 'x' });
    expect(error?.field.length).toBeLessThan(100);
  });

  test('in the query is refused too, and not ignored', async () => {
    expect(await errorsOf(MAIL, '/send?dryrun=true')).toEqual([
      { field: '?dryrun', message: 'Unknown parameter. Did you mean dryRun?' },
    ]);
  });
});

describe('several errors', () => {
  test('are all reported, in shapes and in values', async () => {
    const errors = await errorsOf({
      from: 'nobody',
      to: ['a@example.com', 5],
      cc: 'nobody',
      subject: 'a\nb',
      text: 7,
      reply_to: 'x',
      importance: 'urgent',
      mailbox: 'other@contoso.com',
      metadata: { a: 1 },
    });
    expect(errors.map(({ field }) => field)).toEqual([
      'to[1]',
      'text',
      'reply_to',
      'importance',
      'metadata.a',
      'from',
      'cc',
      'subject',
      'mailbox',
    ]);
  });

  test.each([
    ['a misshapen cc does not ask for a recipient', { cc: 5, text: 'x' }, ['cc']],
    ['a misshapen html does not make the message empty', { to: 'a@example.com', html: 5 }, ['html']],
    ['an empty object lacks both', {}, ['to', 'text']],
  ])('%s', async (_title, payload, fields) => {
    expect((await errorsOf(payload)).map(({ field }) => field)).toEqual(fields);
  });

  test('are at most 100, and no field beyond that is accepted', async () => {
    const errors = await errorsOf({ ...MAIL, to: Array.from({ length: 5_000 }, () => 5), subject: 5, metadata: 5 });
    expect(errors).toHaveLength(100);
  });
});

test('errors name only mailboxes that the key may use, whatever the shape of the body', async () => {
  const key = { ...apiKey('shop', 'its-key'), mailboxes: ['shop@contoso.com'] };
  const mailboxes = [MAILBOX, { ...MAILBOX, id: 'shop@contoso.com', address: 'shop@contoso.com' }];
  const { app } = openTestApp({ keys: [key], mailboxes });
  for (const extra of [{}, { subject: 5 }]) {
    const { body } = await app.inject({
      method: 'POST',
      url: '/send',
      headers: { authorization: 'Bearer its-key' },
      payload: { ...MAIL, mailbox: 'other@contoso.com', ...extra },
    });
    expect(body).toContain('shop@contoso.com');
    expect(body).not.toContain(MAILBOX.id);
  }
});

describe('a body that is not an object', () => {
  test.each([['[]'], ['"x"'], ['5'], ['null'], ['true']])('%s is refused as a whole', async (json) => {
    expect(await errorsOf(json)).toEqual([
      { field: 'body', message: expect.stringMatching(/^Must be an object with from, to, [^;]*$/) },
    ]);
  });
});
