/** Pages stay readable: a short README, and no table that needs a wide screen. */
import { globSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ROOT } from '../helpers/process.ts';
import { cells, links } from './markdown.ts';

const README_BYTES_MAX = 9_000;
const CELL_LENGTH_MAX = 160;
const PAGES = globSync('**/*.md', { cwd: ROOT, exclude: ['**/node_modules/**', 'data/**', 'coverage/**'] });

test(`README.md has at most ${README_BYTES_MAX} bytes`, () => {
  expect(statSync(join(ROOT, 'README.md')).size).toBeLessThanOrEqual(README_BYTES_MAX);
});

describe('tables', () => {
  test.each(PAGES)(`no cell in %s is longer than ${CELL_LENGTH_MAX} characters`, (page) => {
    expect(longCells(readFileSync(join(ROOT, page), 'utf8'))).toEqual([]);
  });

  test('a long cell is found', () => {
    const long = 'x'.repeat(CELL_LENGTH_MAX + 1);
    expect(longCells(`| a | b |\n| - | - |\n| ${long} | ${'x'.repeat(CELL_LENGTH_MAX)} |\n`)).toEqual([long]);
  });
});

test('docs/README.md lists every page of docs', () => {
  const listed = links(readFileSync(join(ROOT, 'docs/README.md'), 'utf8'));
  const pages = globSync('*.md', { cwd: join(ROOT, 'docs') }).filter((page) => page !== 'README.md');
  expect(pages.filter((page) => !listed.includes(page))).toEqual([]);
});

function longCells(markdown: string): string[] {
  return cells(markdown).filter((cell) => cell.length > CELL_LENGTH_MAX);
}
