/** The short requests of examples/README.md send a message, in each language whose runtime is installed. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { localized, START_TIMEOUT_MS } from '../docs/commands.ts';
import { codeBlocks } from '../docs/markdown.ts';
import { FOUND, LANGUAGES, ROOT } from './languages.ts';
import { runToEnd, type Service, startService, temporaryFolder } from './process.ts';

const BLOCKS = codeBlocks(readFileSync(join(ROOT, 'examples/README.md'), 'utf8'));

describe('the short requests', () => {
  let service: Service;
  beforeAll(async () => {
    service = await startService({ API_KEYS: 'examples:YOUR_KEY' });
  }, START_TIMEOUT_MS);
  afterAll(() => service.close());

  test('exist for each language that has an example', () => {
    const wanted = LANGUAGES.filter(({ runSnippet }) => runSnippet).map(({ name }) => name);
    expect(BLOCKS.map(({ heading }) => heading).sort()).toEqual(wanted.sort());
  });

  test.each(FOUND.filter(({ runSnippet }) => runSnippet))(
    '$name sends and prints the id',
    async ({ name, runSnippet }) => {
      const folder = temporaryFolder();
      const command = runSnippet?.(localized(snippetOf(name), service), join(folder, 'snippet')) ?? ['false'];
      const ended = await runToEnd(command, {}, folder);
      expect(ended).toMatchObject({ code: 0, stderr: expect.not.stringContaining('rror') });
      const id = /[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}/.exec(ended.stdout)?.[0];
      const answer = await fetch(`${service.url}/messages/${id}`, { headers: { authorization: 'Bearer YOUR_KEY' } });
      expect(await answer.json()).toMatchObject({ subject: 'Hello', to: [{ address: 'someone@example.com' }] });
    },
    60_000,
  );
});

function snippetOf(language: string): string {
  return BLOCKS.find(({ heading }) => heading === language)?.text ?? '';
}
