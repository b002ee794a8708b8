/** What could end a mail for a server that is less strict, against the rule for all that ever was: SMTP smuggling. */
import { expect, test } from 'vitest';
import { hasSmuggledEnd } from '../../src/smtp-in/smuggling.ts';

const ENDS = ['\r\n', '\n', '\r'];

test('a dot alone is a false end unless CR LF stands on both sides', () => {
  for (const before of ENDS)
    for (const after of ENDS)
      expect([before, after, hasSmuggledEnd(Buffer.from(`a${before}.${after}b`))]).toEqual([
        before,
        after,
        before !== '\r\n' || after !== '\r\n',
      ]);
});

test.each(['.', 'a.b', '.\r\n', '\r\n..\r\n', '\n.x\n', '\r\n.\r\n', '\n', ''])('%j has none', (text) => {
  expect(hasSmuggledEnd(Buffer.from(text))).toBe(false);
});
