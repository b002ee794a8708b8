import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Message, WrittenContent } from '../../../src/core/message/message.ts';
import { estimateSizeBytes } from '../../../src/core/message/size.ts';
import { compose } from '../../../src/smtp/compose.ts';
import { MESSAGE } from '../../helpers/message.ts';

const NOTHING: WrittenContent = { replyTo: [], headers: {}, attachments: [] };
const base64 = (bytes: number) => Buffer.alloc(bytes, 0xa5).toString('base64');
const file = (bytes: number, filename = 'report.pdf') => ({ filename, content: base64(bytes) });
const people = (count: number) =>
  Array.from({ length: count }, (_, n) => ({ name: `Recipient ${n} of the List`, address: `r${n}@example.com` }));

/** The estimate is for a limit of many megabytes: what a small mail has too much does not matter. */
const SMALL_BYTES = 4 * 1024;

test.each<[string, Partial<WrittenContent>, Partial<Message>]>([
  ['a line of text', { text: 'Hello.' }, {}],
  ['a long text', { text: 'The quick brown fox jumps over the lazy dog. '.repeat(20_000) }, {}],
  ['a long text in one line', { text: 'x'.repeat(500_000) }, {}],
  ['a text of short lines', { text: 'x\n'.repeat(200_000) }, {}],
  ['a text that is all signs', { text: '='.repeat(300_000) }, {}],
  ['a German text', { text: 'Schöne Grüße aus Köln. '.repeat(20_000) }, {}],
  ['a Chinese text', { text: '您好世界'.repeat(50_000) }, {}],
  ['text and html', { text: 'Hello. '.repeat(20_000), html: '<p class="a">Hello.</p>\n'.repeat(20_000) }, {}],
  ['an attachment', { text: 'See there.', attachments: [file(5_000_000)] }, {}],
  [
    'many attachments',
    { attachments: Array.from({ length: 50 }, (_, n) => file(1_000, `Anhang für Nr. ${n}.txt`)) },
    {},
  ],
  [
    'an inline image',
    { html: '<img src="cid:a@x">', attachments: [{ ...file(200_000, 'a.png'), contentId: 'a@x' }] },
    {},
  ],
  ['an invitation', { text: 'x', calendar: { method: 'REQUEST', content: 'BEGIN:VCALENDAR\r\n'.repeat(5_000) } }, {}],
  ['500 recipients with names', { text: 'x' }, { to: people(500) }],
  ['a long Chinese subject', { text: 'x' }, { subject: '您好'.repeat(400) }],
  [
    'long headers',
    { text: 'x', headers: Object.fromEntries(people(50).map((_, n) => [`X-${n}`, 'ü'.repeat(500)])) },
    {},
  ],
])(
  'the size of %s is told before it is composed: never too small, and right within some per cent',
  async (_title, part, more) => {
    const content = { ...NOTHING, ...part };
    const message = { ...MESSAGE, ...more };
    const actual = (await compose(message, content)).length;
    const estimate = estimateSizeBytes(message, content);
    expect(estimate).toBeGreaterThanOrEqual(actual);
    expect(estimate).toBeLessThan(actual * 3.5 + SMALL_BYTES);
  },
);

test('the estimate of a large message is right within two per cent', async () => {
  const content = { ...NOTHING, text: 'See there.', attachments: [file(20_000_000), file(6_000_000, 'b.bin')] };
  const actual = (await compose(MESSAGE, content)).length;
  expect(estimateSizeBytes(MESSAGE, content) / actual).toBeLessThan(1.02);
});

test('no message is larger than its estimate', async () => {
  const text = fc.string({
    unit: fc.oneof(fc.constantFrom(...'= \t\n.ü您🎉'), fc.constantFrom('\r\n', 'word ')),
    maxLength: 400,
  });
  const line = text.map((one) => one.replace(/[\r\n\t]/g, ' ').trim());
  const mail = fc.record({ text, html: text, calendar: text, subject: line, header: line, name: line, filename: line });
  await fc.assert(
    fc.asyncProperty(mail, async ({ text, html, calendar, subject, header, name, filename }) => {
      const content = {
        ...NOTHING,
        text,
        html,
        calendar: { method: 'REQUEST', content: `BEGIN:VCALENDAR${calendar}` },
        headers: { 'X-A': header },
        attachments: [{ filename, content: base64(100) }],
      };
      const message = {
        ...MESSAGE,
        subject,
        from: { name, address: 'a@example.com' },
        to: [{ name, address: 'b@example.com' }],
      };
      expect(estimateSizeBytes(message, content)).toBeGreaterThanOrEqual((await compose(message, content)).length);
    }),
    { numRuns: 200 },
  );
});
