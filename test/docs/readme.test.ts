import { readFileSync, writeFileSync } from 'node:fs';
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

/** What each command that is shown answers, by its heading. */
const COMMANDS: readonly (readonly [heading: string, answers: readonly object[]])[] = [
  ['Later, or not at all', [{ status: 'scheduled' }, { status: 'canceled' }]],
  ['Once', [{ status: 'queued' }]],
  [
    'Many in one request',
    [
      {
        results: [
          { index: 0, status: 'queued' },
          { index: 1, status: 'queued' },
        ],
      },
    ],
  ],
  ['Files', [{ status: 'queued' }]],
  ['A ready mail', [{ status: 'queued' }]],
  ['Only check', [{ dryRun: true }]],
  ['What became of them', [{ items: [] }, { retried: 0 }]],
];

describe('what else a request can say', () => {
  let service: Service;
  beforeAll(async () => {
    service = await startService();
  }, START_TIMEOUT_MS);
  afterAll(() => service.close());

  test.runIf(FOUND.some(({ name }) => name === 'curl')).each(COMMANDS)(
    '%s: each command does what it says',
    async (heading, answers) => {
      const blocks = BLOCKS.filter((block) => block.heading === heading).map(({ text }) => text);
      expect(blocks).toHaveLength(answers.length);
      let id = '';
      for (const [i, block] of blocks.entries()) {
        const answer = JSON.parse(await shell(fresh(block).replace('/ID', `/${id}`), service, FILES));
        expect(answer).toMatchObject(answers[i] ?? {});
        id = answer.id;
      }
    },
    START_TIMEOUT_MS,
  );
});

/** What the commands read. */
const FILES = {
  'invoice.pdf': '%PDF-1.7',
  'logo.png': 'not really',
  'mail.eml': 'To: someone@example.com\nSubject: Hello\n\nIt works.\n',
};

/** The same with a time that is still to come. */
function fresh(command: string): string {
  const inAnHour = new Date(Date.now() + 3_600_000).toISOString();
  return command.replace(/(?<="sendAt":")[^"]+/, inAnHour);
}

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

async function shell(command: string, service: Service, files: Readonly<Record<string, string>> = {}): Promise<string> {
  const folder = temporaryFolder();
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  const ended = await runToEnd(['sh', '-c', localized(command, service)], {}, folder);
  expect(ended).toMatchObject({ code: 0 });
  return ended.stdout;
}

/** The same text for the service that runs here, still by name and not by number. */
function localized(text: string, { url }: Service): string {
  expect(text).toContain(README_URL);
  return text.replaceAll(README_URL, `http://localhost:${new URL(url).port}`);
}
