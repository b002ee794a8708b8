import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FOUND, LANGUAGES, ROOT } from '../examples/languages.ts';
import { runToEnd, type Service, startService, temporaryFolder } from '../examples/process.ts';
import { codeBlocks } from './markdown.ts';

const README = readFileSync(join(ROOT, 'README.md'), 'utf8');
const BLOCKS = codeBlocks(README);
/** Where the README's commands look for relay365. */
const README_URL = 'http://localhost:3000';
const START_TIMEOUT_MS = 60_000;

describe('the quick start', () => {
  const [install = '', send = '', lookUp = ''] = BLOCKS.filter(({ heading }) => heading === 'Quick start').map(
    ({ text }) => text,
  );
  let service: Service;
  beforeAll(async () => {
    service = await startService();
  }, START_TIMEOUT_MS);
  afterAll(() => service.close());

  test('clones and starts in two commands', () => {
    expect(install.split('\n')).toEqual([expect.stringContaining('git clone '), 'npm start']);
  });

  test.runIf(FOUND.some(({ name }) => name === 'curl'))(
    'has a curl line whose mail ends sent',
    async () => {
      const { id } = JSON.parse(await shell(send, service)) as { id: string };
      await expect
        .poll(async () => JSON.parse(await shell(lookUp.replace('ID', id), service)), { timeout: 20_000 })
        .toMatchObject({
          id,
          status: 'sent',
          to: [{ address: 'someone@example.com' }],
          subject: 'Hello',
          attempts: [{ outcome: 'sent', reply: { code: 250 } }],
        });
    },
    30_000,
  );

  test('has links that answer', async () => {
    const urls = [...README.matchAll(/<http:\/\/localhost:3000(\/[^>]*)>/g)].map(([, path]) => service.url + path);
    expect(urls.length).toBeGreaterThan(0);
    for (const url of urls) expect((await fetch(url)).status).toBe(200);
  });
});

describe('the snippets', () => {
  let service: Service;
  beforeAll(async () => {
    service = await startService({ API_KEYS: 'readme:YOUR_KEY' });
  }, START_TIMEOUT_MS);
  afterAll(() => service.close());

  test('there is one for each language that has an example', () => {
    const wanted = LANGUAGES.filter(({ runSnippet }) => runSnippet).map(({ name }) => name);
    const shown = BLOCKS.map(({ heading }) => heading).filter((heading) => wanted.includes(heading));
    expect(shown.sort()).toEqual(wanted.sort());
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

async function shell(command: string, service: Service): Promise<string> {
  const ended = await runToEnd(['sh', '-c', localized(command, service)], {}, temporaryFolder());
  expect(ended).toMatchObject({ code: 0 });
  return ended.stdout;
}

/** The same text for the service that runs here, still by name and not by number. */
function localized(text: string, { url }: Service): string {
  expect(text).toContain(README_URL);
  return text.replaceAll(README_URL, `http://localhost:${new URL(url).port}`);
}
