/** `scripts/plain-english.ts` finds what its list names, and the documentation has nothing of it. */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../examples/process.ts';
import { ROOT } from '../helpers/process.ts';

const PROGRAM = join(ROOT, 'scripts/plain-english.ts');
const RULES = JSON.parse(readFileSync(join(ROOT, 'scripts/plain-english.json'), 'utf8')) as {
  readonly forms: readonly { readonly form: string }[];
};

function check(...files: readonly string[]): { readonly status: number | null; readonly lines: readonly string[] } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [PROGRAM, ...files], { encoding: 'utf8' });
  expect(stderr).toBe('');
  return { status, lines: stdout.split('\n').filter(Boolean) };
}

function checkText(name: string, text: string): ReturnType<typeof check> {
  const file = join(temporaryFolder(), name);
  writeFileSync(file, text);
  const { status, lines } = check(file);
  return { status, lines: lines.map((line) => line.replace(file, name)) };
}

test('the documentation uses plain English', () => {
  expect(check()).toEqual({ status: 0, lines: [] });
});

test('a form is found with its line, also across a line break', () => {
  expect(checkText('page.md', 'It is sent anew.\n\nPut it in the\nplace of ID. One\nticket.\n')).toEqual({
    status: 1,
    lines: [
      'page.md:1: "anew": write again',
      'page.md:3: "in the place of": write instead of',
      'page.md:5: "ticket": write job',
    ],
  });
});

test('a form is found in a comment that goes on in the next line', () => {
  expect(checkText('file.ts', '/**\n * A program can\n * not do this.\n */\n').lines).toEqual([
    'file.ts:2: "can not": write cannot',
  ]);
});

test('code and link targets in Markdown are not checked', () => {
  const text = 'See [this](#what-mends-it) and `told`.\n\n```sh\necho anew\n```\n\nAnew.\n';
  expect(checkText('page.md', text).lines).toEqual(['page.md:7: "Anew": write again']);
});

test('a retired word is found within an identifier, but not within another word', () => {
  const text = 'const retryTicket = TICKET_LOCK + ticketWatch + tickets;\nconst cricket = etiquette + outstanding;\n';
  expect(checkText('file.ts', text).lines.map((line) => line.replace(/:.*/, ''))).toEqual(Array(4).fill('file.ts'));
});

test('words that only contain a form are not found', () => {
  expect(
    checkText('page.md', 'A standalone mender understood: there is no limit, and it is no longer held.\n'),
  ).toEqual({
    status: 0,
    lines: [],
  });
});

test('each form of the list is a regular expression', () => {
  for (const { form } of RULES.forms) expect(() => new RegExp(form)).not.toThrow();
  expect(RULES.forms.length).toBeGreaterThan(20);
});
