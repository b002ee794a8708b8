/** Line ends, against what says in one line what they should be. */
import { expect, test } from 'vitest';
import { withCrlf } from '../../../src/core/message/line-ends.ts';

/** All strings of these bytes up to this length. */
function* strings(bytes: string, lengthMax: number, begin = ''): Generator<string> {
  yield begin;
  if (begin.length < lengthMax) for (const byte of bytes) yield* strings(bytes, lengthMax, begin + byte);
}

test('each line end becomes CR LF, and nothing else changes', () => {
  for (const text of strings('\r\n.x', 6)) {
    const [given, expected] = [text, text.replace(/\r\n|\r|\n/g, '\r\n')].map((each) => Buffer.from(each, 'latin1'));
    expect(withCrlf(given as Buffer)).toEqual(expected);
  }
});
