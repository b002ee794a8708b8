/** Every command of docs/api.md does what the page says. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FOUND, ROOT } from '../examples/languages.ts';
import { type Service, startService } from '../examples/process.ts';
import { shell, START_TIMEOUT_MS } from './commands.ts';
import { codeBlocks } from './markdown.ts';

const BLOCKS = codeBlocks(readFileSync(join(ROOT, 'docs/api.md'), 'utf8'));

/** The responses to the commands under each heading. */
const COMMANDS: readonly (readonly [heading: string, answers: readonly object[]])[] = [
  ['Attachments', [{ status: 'queued' }]],
  ['Raw MIME', [{ status: 'queued' }]],
  ['Schedule and cancel', [{ status: 'scheduled' }, { status: 'canceled' }]],
  ['Idempotency', [{ status: 'queued' }]],
  [
    'Batch',
    [
      {
        results: [
          { index: 0, status: 'queued' },
          { index: 1, status: 'queued' },
        ],
      },
    ],
  ],
  ['Dry run', [{ dryRun: true }]],
  ['List and search', [{ items: [] }]],
  ['Retry', [{ retried: 0 }]],
];

/** The files that the commands read. */
const FILES = {
  'invoice.pdf': '%PDF-1.7',
  'logo.png': 'not really',
  'mail.eml': 'To: someone@example.com\nSubject: Hello\n\nIt works.\n',
};

describe('docs/api.md', () => {
  let service: Service;
  beforeAll(async () => {
    service = await startService();
  }, START_TIMEOUT_MS);
  afterAll(() => service.close());

  test('has no commands under other headings', () => {
    expect([...new Set(BLOCKS.map(({ heading }) => heading))]).toEqual(COMMANDS.map(([heading]) => heading));
  });

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

/** The same command with a time in the future. */
function fresh(command: string): string {
  const inAnHour = new Date(Date.now() + 3_600_000).toISOString();
  return command.replace(/(?<="sendAt":")[^"]+/, inAnHour);
}
