/** The documentation names no variable that .env.example lacks, so a renamed one is not left behind. */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ROOT } from '../helpers/process.ts';

const PREFIXES =
  'API AZURE BODY CONFIG DATA LOG M365 MESSAGE METRICS QUEUE REDIS RETENTION RETRY SHUTDOWN SMTP SMTP_IN TRUSTED';
const NAME = new RegExp(String.raw`(?<![\w$-])(?:${PREFIXES.replaceAll(' ', '|')})_[A-Z0-9_]+[A-Z0-9]\b`, 'g');
const PAGES = globSync(['*.md', 'docs/*.md', 'examples/README.md'], { cwd: ROOT }).filter(
  (page) => page !== 'docs/performance.md',
);

const read = (file: string) => readFileSync(join(ROOT, file), 'utf8');
const known = new Set([...read('.env.example').matchAll(/^(?:# )?([A-Z0-9_]+)=/gm)].map(([, name]) => name));

test.each(PAGES)('%s names variables that exist', (page) => {
  const names = read(page).match(NAME) ?? [];
  expect(names.filter((name) => !known.has(name.replace(/_FILE$/, '')) && !known.has(name))).toEqual([]);
});
