/** The README's commands do what it says. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FOUND, ROOT } from '../examples/languages.ts';
import { type Service, startService } from '../examples/process.ts';
import { shell, START_TIMEOUT_MS } from './commands.ts';
import { codeBlocks } from './markdown.ts';

const README = readFileSync(join(ROOT, 'README.md'), 'utf8');
const HAS_CURL = FOUND.some(({ name }) => name === 'curl');

function blocksUnder(heading: string): readonly string[] {
  return codeBlocks(README)
    .filter((block) => block.heading === heading)
    .map(({ text }) => text);
}

describe('the quick start', () => {
  const [install = '', send = '', lookUp = ''] = blocksUnder('Quick start');
  let service: Service;
  beforeAll(async () => {
    service = await startService();
  }, START_TIMEOUT_MS);
  afterAll(() => service.close());

  test('clones and starts in two commands', () => {
    expect(install.split('\n')).toEqual([expect.stringContaining('git clone '), 'npm start']);
  });

  test.runIf(HAS_CURL)(
    'has a curl command whose message becomes sent',
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

describe('sending a message', () => {
  let service: Service;
  beforeAll(async () => {
    service = await startService({ API_KEYS: 'shop:YOUR_KEY' });
  }, START_TIMEOUT_MS);
  afterAll(() => service.close());

  test.runIf(HAS_CURL)('works with a key', async () => {
    const [command = ''] = blocksUnder('Send a message');
    expect(JSON.parse(await shell(command, service))).toMatchObject({ id: expect.any(String), status: 'queued' });
  });
});
