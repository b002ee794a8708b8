/** docs/smtp.md explains every reply of the submission server that its code gives by number. */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ROOT } from '../helpers/process.ts';

const GIVEN = /\b(?:Reply|SmtpRejection|send)\((\d{3}), ['`](\d\.\d\.\d+) /g;
const EXPLAINED = /`(\d{3}) (\d\.\d\.\d+)`/g;

function pairs(text: string, pattern: RegExp): string[] {
  return [...text.matchAll(pattern)].map(([, code, enhanced]) => `${code} ${enhanced}`);
}

test('docs/smtp.md explains each reply of the submission server', () => {
  const files = globSync('src/smtp-in/**/*.ts', { cwd: ROOT });
  const given = new Set(files.flatMap((file) => pairs(readFileSync(join(ROOT, file), 'utf8'), GIVEN)));
  const explained = pairs(readFileSync(join(ROOT, 'docs/smtp.md'), 'utf8'), EXPLAINED);
  expect([...given].filter((pair) => !explained.includes(pair))).toEqual([]);
  expect(given.size).toBeGreaterThan(10);
});
