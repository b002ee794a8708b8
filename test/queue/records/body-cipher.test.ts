import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type AesKey, makeBodyCipher, type Owner } from '../../../src/queue/records/body-cipher.ts';

const makeKey = (id: string): AesKey => ({ id, secret: randomBytes(32) });
const owner = (id: string, to = ['a@example.com']): Owner => ({
  id,
  to: to.map((address) => ({ address })),
  cc: [],
  bcc: [],
});
const m1 = owner('m1');
const [first, second] = [makeKey('first'), makeKey('second')] as const;
const sealed = (body: string | Buffer, keys = [first]): Buffer => Buffer.from(makeBodyCipher(keys).seal(m1, body));

describe('a body cipher', () => {
  test('gives back what it sealed, whatever that is', () => {
    const cipher = makeBodyCipher([first]);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2_000 }), fc.string(), (bytes, id) => {
        const body = Buffer.from(bytes);
        expect(cipher.open(owner(id), Buffer.from(cipher.seal(owner(id), body)))).toEqual(body);
      }),
    );
  });

  test('seals the same body differently each time', () => {
    expect(sealed('same')).not.toEqual(sealed('same'));
  });

  test('without keys keeps a body as it is', () => {
    const cipher = makeBodyCipher([]);
    expect(cipher.seal(m1, '{}')).toBe('{}');
    expect(cipher.open(m1, Buffer.from('{}'))).toEqual(Buffer.from('{}'));
  });

  test('opens what any of its keys sealed, and seals with the first', () => {
    const rotated = makeBodyCipher([second, first]);
    expect(rotated.open(m1, sealed('old')).toString()).toBe('old');
    expect(rotated.seal(m1, 'new').toString('latin1')).toMatch(/^aes:second:/);
  });

  test('opens a body in the clear where "plain" is one of its keys', () => {
    expect(makeBodyCipher([first, 'plain']).open(m1, Buffer.from('{}')).toString()).toBe('{}');
    expect(makeBodyCipher(['plain', first]).seal(m1, '{}')).toBe('{}');
    expect(makeBodyCipher(['plain', first]).open(m1, sealed('{}')).toString()).toBe('{}');
  });
});

describe('a body is refused', () => {
  const cipher = makeBodyCipher([first]);
  test('with any one bit changed', () => {
    const body = sealed('Hello.');
    for (let bit = 0; bit < body.length * 8; bit += 1) {
      const changed = Buffer.from(body);
      changed.writeUInt8(changed.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
      expect(() => cipher.open(m1, changed), `bit ${bit}`).toThrow(/^It /);
    }
  });

  test('at any length but its own', () => {
    const body = sealed('Hello.');
    for (let length = 0; length < body.length; length += 1) {
      expect(() => cipher.open(m1, body.subarray(0, length)), `${length} bytes`).toThrow(/^It /);
    }
    expect(() => cipher.open(m1, Buffer.concat([body, Buffer.from('x')]))).toThrow(/were changed/);
  });

  test.each<[string, Owner, Buffer, RegExp]>([
    ["that is another message's", owner('m2'), sealed('x'), /another message's/],
    [
      'whose message has a further recipient',
      owner('m1', ['a@example.com', 'b@example.com']),
      sealed('x'),
      /recipients/,
    ],
    ['whose message has another recipient', owner('m1', ['b@example.com']), sealed('x'), /recipients/],
    ['whose envelope has another recipient', { ...m1, envelopeTo: ['b@example.com'] }, sealed('x'), /recipients/],
    ['of a key that is not there', m1, sealed('x', [second]), /the key second, which is not in BODY_KEYS/],
    ['of another key of the same name', m1, sealed('x', [makeKey('first')]), /another key under the name first/],
    ['that was put there in the clear', m1, Buffer.from('{"text":"evil"}'), /not encrypted/],
  ])('%s', (_title, of, body, message) => {
    expect(() => cipher.open(of, body)).toThrow(message);
  });
});
