/** A client generated from the OpenAPI document fits what the API really takes and answers. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ROOT } from '../helpers/process.ts';
import { startTestRedis, type TestRedis } from '../helpers/redis.ts';
import { openTestService } from '../helpers/service.ts';

const HERE = join(ROOT, 'test/client');
const run = (command: string, ...parameters: string[]) => promisify(execFile)(command, parameters, { cwd: HERE });
const tool = (name: string, ...parameters: string[]) => run(join(HERE, 'node_modules/.bin', name), ...parameters);

let redis: TestRedis;
beforeAll(async () => {
  redis = await startTestRedis();
  if (!existsSync(join(HERE, 'node_modules'))) await run('npm', 'ci', '--ignore-scripts', '--no-audit', '--no-fund');
}, 120_000);
afterAll(() => redis.close());

test('sends, schedules, cancels and lists, as its types say', async () => {
  await tool('openapi-typescript', '../../openapi/openapi.yaml', '-o', 'generated.ts');
  await tool('tsc', '--project', '.');
  const { url } = await openTestService({ location: redis.location, workers: 0 });
  const { stdout } = await run(process.execPath, 'program.ts', url);
  expect(JSON.parse(stdout)).toEqual({
    sent: 'queued',
    scheduled: 'scheduled',
    batch: ['queued', ['to']],
    refused: ['to'],
    canceled: 'canceled',
    listed: ['canceled'],
    mailboxes: ['open'],
  });
}, 60_000);
