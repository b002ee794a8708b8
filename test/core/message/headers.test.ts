import { describe, expect, test } from 'vitest';
import { headerProblem } from '../../../src/core/message/headers.ts';

test.each([
  ['X-Order', '4711'],
  ['List-Unsubscribe', '<mailto:u@example.com>, <https://example.com/u>'],
  ['In-Reply-To', '<a@example.com>'],
  ['References', '<a@example.com> <b@example.com>'],
  ['Auto-Submitted', 'auto-generated'],
  ['X-Note', 'Grüße\tan alle'],
  ['constructor', 'is a name like any other'],
  ['!#$%&', ''],
  ['X'.repeat(76), 'x'.repeat(4_096)],
])('the header %s may be set', (name, value) => {
  expect(headerProblem(name, value)).toBeUndefined();
});

describe('a header that relay365 sets itself is refused, with the field that sets it', () => {
  test.each([
    ['From', 'Use the field from'],
    ['to', 'Use the field to'],
    ['CC', 'Use the field cc'],
    ['Bcc', 'Use the field bcc'],
    ['Reply-To', 'Use the field replyTo'],
    ['Subject', 'Use the field subject'],
    ['Importance', 'Use the field importance'],
    ['X-Priority', 'Use the field importance'],
    ['X-MSMail-Priority', 'Use the field importance'],
    ['Sender', 'sets this header itself.'],
    ['Date', 'sets this header itself.'],
    ['Message-ID', 'sets this header itself.'],
    ['MIME-Version', 'sets this header itself.'],
    ['Received', 'sets this header itself.'],
    ['Return-Path', 'sets this header itself.'],
    ['DKIM-Signature', 'sets this header itself.'],
    ['Resent-Bcc', 'sets this header itself.'],
    ['Content-Type', 'Use attachments'],
    ['content-anything', 'Use attachments'],
  ])('%s', (name, words) => {
    expect(headerProblem(name, 'x')).toContain(words);
  });
});

test.each([
  ['', 'x', 'header name'],
  ['X Order', 'x', 'header name'],
  ['X-Order:', 'x', 'header name'],
  ['X-Ordnüng', 'x', 'header name'],
  ['X-A\r\nBcc', 'x', 'header name'],
  ['X'.repeat(77), 'x', 'header name'],
  ['X-A', 'a\r\nBcc: b@example.com', 'line break'],
  ['X-A', 'a\nb', 'line break'],
  ['X-A', 'a\0b', 'control character'],
  ['X-A', 'a\u2028b', 'control character'],
  ['X-A', 'x'.repeat(4_097), 'longer than 4096'],
])('%j: %j is refused', (name, value, words) => {
  expect(headerProblem(name, value)).toContain(words);
});
