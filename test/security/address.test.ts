/** Addresses as attackers write them: whatever is taken is safe in an envelope, in a header and in the log. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type AddressInput, parseAddress } from '../../src/core/message/address.ts';
import { ADDRESSES } from '../fuzz/corpus.ts';
import { cpuMsOf } from '../helpers/cpu.ts';

/** What means something to SMTP, to a header, to a parser or to a terminal. */
const SPECIAL = [
  ...'<>()[]{},;:@\\"\'. \t\r\n\0\x0b\x0c\x1b\x7f\x85\u2028\u2029\u202e\u200b\ufeff\ud800%!=?&#|~^`$*+/-_',
  '\r\n.\r\n',
  'RCPT TO:<x@example.com>',
  '=?utf-8?q?=0D=0A?=',
  'a@example.com',
  'ü',
  '＠',
];
const piece = fc.oneof(fc.constantFrom(...SPECIAL), fc.string({ unit: 'binary', maxLength: 8 }));
const text = fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join(''));
const likely = fc.tuple(text, text, text).map(([name, local, domain]) => `${name}<${local}@${domain}.example.com>`);
const input: fc.Arbitrary<AddressInput> = fc.oneof(text, likely, fc.record({ name: text, address: text }));

const check = (given: AddressInput): void => {
  const parsed = parseAddress(given);
  if (!parsed.ok) return void expect(parsed.problem).not.toMatch(/[\r\n\0]/);
  const { address, name = '' } = parsed.address;
  // An envelope's path may hold none of these, not even quoted: nodemailer would refuse the message, for ever.
  expect(address).not.toMatch(/[\u0000-\u001f<>\u007f-\u009f\u2028\u2029]/);
  expect(address.isWellFormed()).toBe(true);
  expect(address.slice(address.lastIndexOf('@') + 1)).toMatch(/^(?!-)[a-z0-9-]+(\.[a-z0-9-]+)*$/i);
  expect(name).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/);
  expect(name.isWellFormed()).toBe(true);
  // What was parsed once parses again, to the same.
  expect(parseAddress({ name, address })).toEqual(parsed);
};

describe('an address that is taken', () => {
  test.each(ADDRESSES)('is safe: %j', (given) => check(given));

  test('is safe, whatever it was made of', () => {
    fc.assert(fc.property(input, check), { numRuns: 5_000 });
  });
});

describe('an address that is endless', () => {
  const LENGTH = 1_000_000;
  test.each([
    ['dots', `${'a.'.repeat(LENGTH)}@example.com`],
    ['labels', `a@${'a.'.repeat(LENGTH)}com`],
    ['hyphens', `a@${'-'.repeat(LENGTH)}.com`],
    ['quotes', `${'"'.repeat(LENGTH)}@example.com`],
    ['backslashes in quotes', `"${'\\'.repeat(LENGTH)}@example.com`],
    ['brackets', `${'<'.repeat(LENGTH)}${'>'.repeat(LENGTH)}`],
    ['blanks', ' '.repeat(LENGTH)],
    ['blanks around', `${' '.repeat(LENGTH)}a@example.com${' '.repeat(LENGTH)}x`],
    ['a name', `${'x '.repeat(LENGTH)}<a@example.com>`],
    ['signs of @', '@'.repeat(LENGTH)],
  ])('%s is read in no time, in either form', async (_title, endless) => {
    const read = () => {
      parseAddress(endless);
      parseAddress({ name: endless, address: endless });
      parseAddress({ name: endless, address: 'a@example.com' });
    };
    expect(await cpuMsOf(read)).toBeLessThan(250);
  });
});
