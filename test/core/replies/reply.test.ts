import { describe, expect, test } from 'vitest';
import { formatReply, parseReply } from '../../../src/core/replies/reply.ts';

describe('a reply is read', () => {
  test.each([
    ['250 2.0.0 OK', { code: 250, enhanced: '2.0.0', text: 'OK' }],
    ['250 OK\r\n', { code: 250, text: 'OK' }],
    ['354', { code: 354, text: '' }],
    ['550 5.1.10 ', { code: 550, enhanced: '5.1.10', text: '' }],
    ['550 5.7.139 A [B C]', { code: 550, enhanced: '5.7.139', text: 'A [B C]' }],
    ['550-5.7.1 One\r\n550-5.7.1 two\r\n550 5.7.1 three', { code: 550, enhanced: '5.7.1', text: 'One two three' }],
    ['550-One\n550 two', { code: 550, text: 'One two' }],
    // No enhanced code: its class is invalid, or the text only begins like one.
    ['550 3.1.1 x', { code: 550, text: '3.1.1 x' }],
    ['550 5.7 x', { code: 550, text: '5.7 x' }],
    ['220 5.7.1.example.com ESMTP', { code: 220, text: '5.7.1.example.com ESMTP' }],
    ['421 4.4.1 a: b; "c"', { code: 421, enhanced: '4.4.1', text: 'a: b; "c"' }],
  ])('%j', (raw, reply) => {
    expect(parseReply(raw)).toEqual(reply);
  });

  test.each(['', ' ', 'HTTP/1.1 400 Bad Request', 'OK', '25', 'a250 OK'])('and %j is not a reply', (raw) => {
    expect(parseReply(raw)).toBeUndefined();
  });
});

test.each(['550 5.7.139 Authentication unsuccessful', '250 OK', '354'])(
  'a reply is shown on one line as it came: %s',
  (raw) => {
    expect(formatReply(parseReply(raw) ?? { code: 0, text: '' })).toBe(raw);
  },
);
