/** The log tells faults whole, and holds no mail: not even what a library hangs on an error. */
import { expect, test } from 'vitest';
import { errorFields } from '../../src/observe/log.ts';
import { startProcess, temporaryFile } from '../helpers/process.ts';
import { connectTo, startTestRedis } from '../helpers/redis.ts';
import { client, openTestSandbox, sandboxEnv } from '../helpers/service.ts';

test('an error is logged with its code and its causes, and without its other properties', () => {
  const cause = Object.assign(new TypeError('the cause'), { code: 'ECONNRESET', command: { args: ['a body'] } });
  const fields = errorFields(Object.assign(new Error('the error', { cause }), { previousErrors: ['a body'] }));
  expect(fields).toMatchObject({ message: 'the error', cause: { type: 'TypeError', code: 'ECONNRESET' } });
  expect(JSON.stringify(fields)).not.toContain('a body');
});

test('an error whose cause is itself has an end', () => {
  const error = new Error('round');
  error.cause = error;
  expect(JSON.stringify(errorFields(error)).match(/"round"/g)?.length).toBeLessThan(10);
});

test('a mail that Redis refuses is answered 503, and none of it is in the log', async () => {
  const own = await startTestRedis();
  const sandbox = await openTestSandbox();
  const api = startProcess('src/api.ts', {
    ...sandboxEnv(sandbox),
    REDIS_URL: own.location.url,
    NODE_EXTRA_CA_CERTS: temporaryFile('ca.pem', sandbox.caCertificate),
    LOG_LEVEL: 'trace',
  });
  const { request } = client({ url: /http:\/\/[\d.]+:\d+/.exec(await api.line(/API ready/))?.[0] ?? '' });
  // A full one is refused before it is asked: this one lacks the replicas that it must have to write.
  await connectTo(own).config('SET', 'min-replicas-to-write', '1');
  const mail = { to: 'someone@example.com', subject: 'a-subject', text: 'a-body' };
  expect((await request('POST', '/send', mail)).status).toBe(503);
  const line = await api.line(/NOREPLICAS/);
  expect(line).toContain('requestId');
  expect(api.lines.join('\n')).not.toMatch(/a-body|a-subject|someone@example\.com/);
  await own.close();
});
