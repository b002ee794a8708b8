import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type Address,
  type AddressInput,
  addressKey,
  formatAddress,
  parseAddress,
} from '../../../src/core/message/address.ts';
import { headerValues } from '../../../src/smtp/header-values.ts';

describe('an address is read', () => {
  test.each<[AddressInput, Address]>([
    ['a@example.com', { address: 'a@example.com' }],
    ['  a@example.com\t', { address: 'a@example.com' }],
    ['<a@example.com>', { address: 'a@example.com' }],
    ['Anna Example <a@example.com>', { name: 'Anna Example', address: 'a@example.com' }],
    ['"Example, Anna" <a@example.com>', { name: 'Example, Anna', address: 'a@example.com' }],
    ['Example, Anna <a@example.com>', { name: 'Example, Anna', address: 'a@example.com' }],
    ['a@example.com <a@example.com>', { name: 'a@example.com', address: 'a@example.com' }],
    ['"Anna @ Example, Inc." <a@example.com>', { name: 'Anna @ Example, Inc.', address: 'a@example.com' }],
    ['"a \\"b\\" \\\\ <c>" <a@example.com>', { name: 'a "b" \\ <c>', address: 'a@example.com' }],
    ['Anna Müller 🎉 <a@example.com>', { name: 'Anna Müller 🎉', address: 'a@example.com' }],
    ["O'Brien+tag=x@example.com", { address: "O'Brien+tag=x@example.com" }],
    ['müller@example.com', { address: 'müller@example.com' }],
    ['a@bücher.example', { address: 'a@xn--bcher-kva.example' }],
    ['A@EXAMPLE.COM', { address: 'A@example.com' }],
    ['"john doe"@example.com', { address: '"john doe"@example.com' }],
    ['"a@b"@example.com', { address: '"a@b"@example.com' }],
    ['a@localhost', { address: 'a@localhost' }],
    [{ address: 'a@example.com' }, { address: 'a@example.com' }],
    [{ name: '', address: ' a@example.com ' }, { address: 'a@example.com' }],
    [
      { name: ' Anna <x> ', address: 'a@example.com' },
      { name: 'Anna <x>', address: 'a@example.com' },
    ],
    [`${'a'.repeat(64)}@example.com`, { address: `${'a'.repeat(64)}@example.com` }],
  ])('%j', (input, address) => {
    expect(parseAddress(input)).toEqual({ ok: true, address });
  });
});

describe('an invalid address is refused with the reason', () => {
  test.each<[AddressInput, string]>([
    ['', 'is not an address like name@example.com'],
    ['anna', 'is not an address like'],
    ['@example.com', 'is not an address like'],
    ['a@', 'is not an address like'],
    ['a@example.com, b@example.com', 'give a list'],
    ['a@example.com; b@example.com', 'give a list'],
    ['a@example.com, Bob <b@example.com>', 'give a list'],
    ['Anna <a@example.com>, Bob <b@example.com>', 'give a list'],
    ['a@example.com; <b@example.com>', 'give a list'],
    ['Anna <a@example.com', 'does not allow'],
    ['a@example.com>', 'has a ">" without a "<"'],
    ['a@example.com <b@example.com> <c@example.com>', 'put the name in quotes'],
    ['a b@example.com', 'does not allow'],
    ['.a@example.com', 'does not allow'],
    ['a..b@example.com', 'does not allow'],
    ['"a>b"@example.com', 'does not allow'],
    ['a@exa mple.com', 'no valid domain'],
    ['a@-example.com', 'no valid domain'],
    ['a@example..com', 'no valid domain'],
    ['a@example.com.', 'no valid domain'],
    ['a@[192.0.2.1]', 'no valid domain'],
    ['a@exam_ple.com', 'no valid domain'],
    [`a@${'b'.repeat(64)}.com`, 'no valid domain'],
    [`${'a'.repeat(65)}@example.com`, 'more than 64 bytes before the @'],
    [`${'ü'.repeat(33)}@example.com`, 'more than 64 bytes before the @'],
    [`a@${'b.'.repeat(126)}com`, 'longer than 254 bytes'],
    [`${'n'.repeat(321)} <a@example.com>`, 'display name of more than 320 characters'],
    [{ name: 'n'.repeat(321), address: 'a@example.com' }, 'display name of more than 320 characters'],
    ['a'.repeat(641), 'is longer than 640 characters'],
    ['a@example.com\r\nBcc: b@example.com', 'control character'],
    [{ name: 'Anna\nBcc: b@example.com', address: 'a@example.com' }, 'control character'],
    ['"Anna\0" <a@example.com>', 'control character'],
    ['\ud800@example.com', 'lone surrogate'],
  ])('%j', (input, words) => {
    expect(parseAddress(input)).toEqual({ ok: false, problem: expect.stringContaining(words) });
  });

  test('without repeating a long one', () => {
    const parsed = parseAddress(`${'a b'.repeat(20)}@example.com`);
    expect(parsed.ok ? '' : parsed.problem.length).toBeLessThan(160);
  });
});

test('two addresses that differ only in case are the same mailbox', () => {
  expect(addressKey('Sales@Contoso.COM')).toBe(addressKey('sales@contoso.com'));
});

test('a letter outside ASCII never becomes one in ASCII: that is another mailbox', () => {
  // KELVIN SIGN, whose small letter is an ordinary k.
  expect(addressKey('mar\u212a@contoso.com')).not.toBe(addressKey('mark@contoso.com'));
});

test('an address with a replacement character is refused: it would be another address', () => {
  expect(parseAddress('m\ufffdller@contoso.com').ok).toBe(false);
  expect(parseAddress('M\ufffdller <mueller@contoso.com>').ok).toBe(true);
});

describe('an address in a header field', () => {
  test.each([
    [{ address: 'a@example.com' }, '<a@example.com>'],
    [{ name: 'Anna', address: 'a@example.com' }, '"Anna" <a@example.com>'],
    [{ name: 'Doe, "J" \\', address: 'a@example.com' }, '"Doe, \\"J\\" \\\\" <a@example.com>'],
    [{ name: 'Büro', address: 'a@example.com' }, '=?UTF-8?B?QsO8cm8=?= <a@example.com>'],
  ])('%j', (address, field) => {
    expect(formatAddress(address)).toBe(field);
  });

  test('is read back unchanged, from lines that are short enough', () => {
    const name = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 320 });
    fc.assert(
      fc.property(name, (text) => {
        const parsed = parseAddress({ name: text, address: 'a@example.com' });
        fc.pre(parsed.ok);
        const field = formatAddress(parsed.address);
        expect(Math.max(...field.split('\r\n').map((line) => line.length))).toBeLessThan(700);
        const [read] = headerValues.addresses(field.replaceAll('\r\n', ''));
        expect({ name: headerValues.text(read?.name ?? ''), address: read?.address }).toEqual({
          name: parsed.address.name ?? '',
          address: 'a@example.com',
        });
      }),
    );
  });
});
