import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ROOT } from '../examples/languages.ts';
import { anchors, links } from './markdown.ts';

/** All Markdown files that are part of the project, as paths from its root. */
const PAGES = globSync('**/*.md', { cwd: ROOT, exclude: ['**/node_modules/**', 'data/**', 'coverage/**'] });

describe('links in Markdown', () => {
  test('pages are found', () => {
    expect(PAGES).toContain('README.md');
  });

  test.each(PAGES)('each relative link in %s leads to a file and a heading that exist', (page) => {
    const targets = links(read(page)).filter((target) => !/^[a-z]+:/.test(target));
    expect(targets.filter((target) => !resolves(page, target))).toEqual([]);
  });

  test('each page that the sources name exists', () => {
    const sources = globSync('{src,scripts,bench,torture}/**/*.{ts,mjs}', { cwd: ROOT });
    const named = sources.flatMap((file) => read(file).match(/\bdocs\/[\w/-]+\.\w+/g) ?? []);
    expect(named.length).toBeGreaterThan(5);
    expect([...new Set(named)].filter((page) => !existsSync(join(ROOT, page)))).toEqual([]);
  });

  test('a link to a missing file or heading is found', () => {
    expect(resolves('README.md', 'docs/no-such-page.md')).toBe(false);
    expect(resolves('README.md', '#no-such-heading')).toBe(false);
    expect(resolves('README.md', '#quick-start')).toBe(true);
  });
});

function resolves(page: string, target: string): boolean {
  const [path = '', anchor] = target.split('#');
  const file = path === '' ? page : relative(ROOT, join(ROOT, dirname(page), path));
  if (!existsSync(join(ROOT, file))) return false;
  return anchor === undefined || anchors(read(file)).includes(anchor);
}

function read(page: string): string {
  return readFileSync(join(ROOT, page), 'utf8');
}
