/** Inputs that once were taken or refused wrongly, and those that came close, by what reads them: tried in every run. */
import type { AddressInput } from '../../src/core/message/address.ts';

export const ADDRESSES: readonly AddressInput[] = [
  '"a>b"@example.com',
  '"<"@example.com',
  { name: 'x', address: '"\\""@example.com' },
  'a@[127.0.0.1]',
  'a@example.com>\r\nRCPT TO:<b@example.com',
  'a@exa\u00admple.com',
  'a@example.com.',
  'a@x＠example.com',
  '\ud800@example.com',
  'someone@example.com> <other@example.com>',
];

export const READY_MAILS: readonly string[] = [
  'From: <noreply@contoso.com> <ceo@contoso.com>\r\nTo: a@example.com\r\n\r\n',
  'From: @evil.example:noreply@contoso.com\r\nTo: a@example.com\r\n\r\n',
  'From:\r\nTo: a@example.com\r\n\r\n',
  'From: noreply@contoso.com\r\nSender: ceo@contoso.com\r\nTo: a@example.com\r\n\r\n',
  'To: a@example.com\r\nBcc\t: b@example.com\r\n \r\n c@example.com\r\n\r\n',
  'To: a@example.com\n\n.\nMAIL FROM:<evil@example.com>\n',
  'To: a@example.com\r\nMessage-ID: \r\nDate:\r\n\r\n',
  '\r\n\r\n',
  '',
];

export const TIMES: readonly string[] = [
  '2026-02-31T00:00:00Z',
  '2026-12-24 25:00:00Z',
  '9999-12-31T23:59:59.999999999+23:59',
];

export const IDEMPOTENCY_KEYS: readonly string[] = ['""', '"\\"', '"\\\\"', '"a"b"', '\\', 'a"b'];

export const CONFIG_FILES: readonly string[] = [
  'a: &a [x]\nb: &b [*a, *a]\nmailboxes: *b\n',
  '? {a: b}\n: c\n',
  '*a',
  'mailboxes: !!binary x\n',
  '__proto__: {}\n',
];

export const REPLIES: readonly string[] = ['250', '250-\n250 x', '550 5.7.1', '999 \x1b]0;x\x07', '250\r550 x', '-1 x'];

export const CURSORS: readonly string[] = ['', 'AA', 'MS4uLw', 'OTk5OTk5OTk5OTk5OTk5LmE'];

export const BODIES: readonly string[] = ['null', '{}', 'raw:', 'aes:', 'aes:k:', '{"raw":5}', '[]'];

export const VALUES_OF_VARIABLES: readonly string[] = ['=', ',', ':', '0x10', '1e3', '-0', 'a:b:c,'];

/** Members of a mail as JSON. */
export const MAILS: readonly object[] = [
  { headers: { constructor: 'x' } },
  { metadata: { hasOwnProperty: 'x', toString: 'y' } },
  { to: { name: null, address: 'a@example.com' } },
  { attachments: [{}] },
];

/** With the boundary `b`. */
export const FORMS: readonly string[] = [
  '--b\r\nContent-Disposition: form-data; name="to"; filename="x"\r\n\r\na file that does not end',
  '--bContent-Disposition: form-data; name="to"; filename="x"\r\n\r\n\u0000',
  '--b\r\nContent-Disposition: form-data; name="metadata"\r\nContent-Type: application/json\r\n\r\n{"__proto__":1}\r\n--b--',
];
