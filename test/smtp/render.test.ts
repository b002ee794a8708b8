/** Messages rendered at once are byte for byte what nodemailer's streams render. */
import fc from 'fast-check';
import MailComposer from 'nodemailer/lib/mail-composer';
import type { Options } from 'nodemailer/lib/mailer';
import { describe, expect, test } from 'vitest';
import { renderShort } from '../../src/smtp/render.ts';

const compile = (mail: Options) =>
  new MailComposer({
    from: { name: 'Shop', address: 'shop@example.com' },
    to: [{ name: 'Zoë', address: 'zoe@example.com' }],
    messageId: '<id@example.com>',
    date: new Date(0),
    baseBoundary: 'boundary',
    ...mail,
  }).compile();

/** Lines of all kinds: long, empty, with and without what must be encoded, with any line end. */
const piece = fc.oneof(
  fc.constantFrom('\r\n', '\n', '\r', ' ', '\t', '.', '=', '\u0000', '€', 'ë', '😀', '日本語', 'From ', '--boundary'),
  fc.string({ maxLength: 120 }),
  fc.string({ unit: 'grapheme', maxLength: 120 }),
);
const anyText = fc.array(piece, { maxLength: 40 }).map((pieces) => pieces.join(''));
const text = anyText.map((written) => `${written}.`);
const mail = fc.record(
  { subject: anyText, text, html: text, replyTo: fc.constant('a@example.com'), headers: fc.constant({ 'X-A': 'b' }) },
  { requiredKeys: [] },
);

describe('a message of short texts', () => {
  test("has the same bytes as nodemailer's", async () => {
    await fc.assert(
      fc.asyncProperty(mail, async (written) => {
        const expected = await compile(written).build();
        expect(renderShort(compile(written))?.toString('latin1')).toBe(expected.toString('latin1'));
      }),
      { numRuns: 500 },
    );
  });

  test('has them up to the maximum length, in both encodings', async () => {
    for (const line of ['A line of text, that is read by people.', 'Zoë .', '日本語']) {
      const long = { text: line.repeat(Math.floor((64 * 1024) / Buffer.byteLength(line))), html: `<p>${line}</p>` };
      expect(renderShort(compile(long))).toEqual(await compile(long).build());
    }
  });
});

test.each([
  ['a long text', { text: 'x'.repeat(64 * 1024 + 1) }],
  ['a blank at its end', { text: `--boundary       \n     ${'€'.repeat(6)}From ` }],
  ['an attachment', { text: 'a', attachments: [{ filename: 'a.txt', content: 'YQ==', encoding: 'base64' }] }],
  ['a calendar', { text: 'a', icalEvent: { method: 'REQUEST', content: 'BEGIN:VCALENDAR' } }],
])('a message with %s is left unchanged', async (_name, written) => {
  const tree = compile(written as Options);
  expect(renderShort(tree)).toBeUndefined();
  expect(await tree.build()).toEqual(await compile(written as Options).build());
});
