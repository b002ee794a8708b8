/**
 * Redis is frozen, slow or lost while a message is written. An answer that says "not queued" is certain; when it cannot be
 * known, the answer says so.
 */
import { describe, expect } from 'vitest';
import { connectTo, startTestRedis, type TestRedis, test } from '../../helpers/redis.ts';
import { isFinal, openTestService, type TestService } from '../../helpers/service.ts';

async function processOf(server: TestRedis): Promise<number> {
  return Number(/process_id:(\d+)/.exec(await connectTo(server).info('server'))?.[1]);
}

const open = (server: TestRedis): Promise<TestService> => openTestService({ location: server.location, workers: 0 });
const post = (service: TestService, subject: string) =>
  service.request('POST', '/send', { to: 'someone@example.com', subject, text: 'Hello.' });

describe('a message that reaches Redis too late', () => {
  test('is not queued: its sender has already got a 503', async ({ redis }) => {
    const service = await open(redis);
    const { exchange } = service.sandbox;
    await service.send({ subject: 'before' });
    const pid = await processOf(redis);
    process.kill(pid, 'SIGSTOP');
    const answers = await Promise.all(['a', 'b', 'c'].map((subject) => post(service, subject)));
    process.kill(pid, 'SIGCONT');
    for (const { status, body } of answers)
      expect([status, body.type]).toEqual([503, expect.stringMatching(/:queue-un(answered|available)$/)]);
    const last = await service.send({ subject: 'after' });
    await service.addWorker();
    await service.until(last, isFinal);
    // Redis was asked in this order: when "after" is done, the others before it are.
    await exchange.waitFor(({ messages }) => messages.length >= 2);
    expect(exchange.messages.map(({ subject }) => subject).sort()).toEqual(['after', 'before']);
    expect(service.log.filter((line) => line.includes('unreadable'))).toEqual([]);
    expect((await service.request('GET', '/messages')).body.items).toHaveLength(2);
  });
});

describe('the first message', () => {
  test('is accepted, however long the connection to Redis took: the API listens only then', async ({ redis }) => {
    const pid = await processOf(redis);
    process.kill(pid, 'SIGSTOP');
    let isOpen = false;
    const opening = open(redis).finally(() => {
      isOpen = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(isOpen).toBe(false);
    process.kill(pid, 'SIGCONT');
    expect((await post(await opening, 'first')).status).toBe(202);
  });
});

describe('a message that Redis refuses', () => {
  test('is answered with a 503 that says it is not queued', async () => {
    const own = await startTestRedis();
    const service = await open(own);
    await service.send();
    await connectTo(own).config('SET', 'maxmemory', '1');
    expect((await post(service, 'a')).body.type).toMatch(/queue-(full|unavailable)$/);
    await own.stop();
    expect((await post(service, 'b')).body.type).toMatch(/queue-unavailable$/);
    await own.close();
  });
});

describe('a message whose answer is lost with the connection', () => {
  test('is answered with a 503 that says it may be queued', async () => {
    const own = await startTestRedis();
    const service = await open(own);
    await service.send();
    const pid = await processOf(own);
    process.kill(pid, 'SIGSTOP');
    const answer = post(service, 'a');
    // By then it is on its way to Redis, and its time is not over.
    await new Promise((resolve) => setTimeout(resolve, 300));
    process.kill(pid, 'SIGKILL');
    const { status, headers, body } = await answer;
    expect([status, body.type]).toEqual([503, 'urn:relay365:problem:queue-unanswered']);
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
    await own.close();
  });
});
