/**
 * Redis as an attacker or a fault changed it. A message that cannot be read fails, says why, and stops no other message.
 * One that names another sender or recipient cannot break out of its envelope.
 */
import { Queue } from 'bullmq';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Keys, makeKeys } from '../../src/queue/redis/keys.ts';
import type { RedisClient } from '../../src/queue/redis/client.ts';
import { eventually } from '../helpers/eventually.ts';
import { connectTo, startTestRedis, type TestRedis } from '../helpers/redis.ts';
import { isFinal, openTestService, type TestService } from '../helpers/service.ts';

/** A job that no worker could start comes back when its lock expires. */
const LOCKS_END_MS_MAX = 90_000;

let redis: TestRedis;
beforeAll(async () => {
  redis = await startTestRedis();
});
afterAll(() => redis.close());

type Tamper = (client: RedisClient, keys: Keys, id: string) => Promise<unknown>;

/** Queues a message, changes it, and starts a worker. Another message shows that the queue goes on. */
async function tamperWith(tamper: Tamper): Promise<{ readonly service: TestService; readonly id: string }> {
  const service = await openTestService({ location: redis.location, workers: 0 });
  const client = connectTo(redis);
  const id = await service.send({ subject: 'tampered' });
  await tamper(client, makeKeys(service.namespace), id);
  await service.addWorker();
  const other = await service.send({ subject: 'other' });
  expect((await service.until(other, isFinal)).status).toBe('sent');
  return { service, id };
}

const changeRecord =
  (change: (message: Record<string, unknown>) => unknown): Tamper =>
  async (client, keys, id) => {
    const message = JSON.parse((await client.hget(keys.record(id), 'message')) ?? '{}');
    await client.hset(keys.record(id), 'message', JSON.stringify(change(message)));
  };

const evilRecipients = JSON.stringify(
  ['someone@example.com', 'evil@example.com'].map((address) => ({ address, status: 'pending' })),
);
const evil = 'a@example.com>\r\nRCPT TO:<evil@example.com';

describe('a body', () => {
  test.each<[string, Tamper, RegExp]>([
    ['that vanished', (client, keys, id) => client.del(keys.body(id)), /not in Redis any more/],
    ['that is no JSON', (client, keys, id) => client.set(keys.body(id), '{"text":'), /cannot be read/],
    ['that is no object', (client, keys, id) => client.set(keys.body(id), '5'), /cannot be read/],
    ['that is of another shape', (client, keys, id) => client.set(keys.body(id), '{"attachments":5}'), /composed|read/],
    ['that is of another type in Redis', (client, keys, id) => retype(client, keys.body(id)), /read/],
  ])('%s fails its mail, and says why', async (_title, tamper, explanation) => {
    const { service, id } = await tamperWith(tamper);
    const message = await service.until(id, isFinal);
    expect(message).toMatchObject({ status: 'failed', recipients: [{ status: 'failed' }] });
    expect(message.attempts.at(-1).explanation).toMatch(explanation);
    expect(service.sandbox.exchange.messages.map(({ subject }) => subject)).toEqual(['other']);
  });
});

async function retype(client: RedisClient, key: string): Promise<void> {
  await client.del(key);
  await client.rpush(key, 'x');
}

describe('a record', () => {
  test.each<[string, Tamper]>([
    ['whose message is no JSON', (client, keys, id) => client.hset(keys.record(id), 'message', '{')],
    ['whose message is no object', (client, keys, id) => client.hset(keys.record(id), 'message', 'null')],
    ['whose message lacks all', (client, keys, id) => client.hset(keys.record(id), 'message', '{}')],
    ['whose status is unknown', (client, keys, id) => client.hset(keys.record(id), 'status', 'evil')],
    ['whose recipients are no JSON', (client, keys, id) => client.hset(keys.record(id), 'recipients', '[')],
    ['whose recipients are no list', (client, keys, id) => client.hset(keys.record(id), 'recipients', '5')],
    [
      'whose recipients have one more',
      (client, keys, id) => client.hset(keys.record(id), 'recipients', evilRecipients),
    ],
    ['whose To is no list', changeRecord((message) => ({ ...message, to: 'evil@example.com' }))],
    ['whose To has nobody in it', changeRecord((message) => ({ ...message, to: [null] }))],
    ['whose envelope is no list', changeRecord((message) => ({ ...message, envelopeTo: { a: 1 } }))],
    ['whose envelope is another', changeRecord((message) => ({ ...message, envelopeTo: ['evil@example.com'] }))],
    ['whose sender is nobody', changeRecord((message) => ({ ...message, from: null }))],
    ['whose sender is no address', changeRecord((message) => ({ ...message, from: 'evil@example.com' }))],
    ['whose names are objects', changeRecord((message) => ({ ...message, from: { address: 'a@b.c', name: {} } }))],
    ['whose subject names a file', changeRecord((message) => ({ ...message, subject: { path: '/etc/passwd' } }))],
    ['whose Message-ID is none', changeRecord((message) => ({ ...message, messageId: null }))],
    ['whose priority is none', changeRecord((message) => ({ ...message, priority: '__proto__' }))],
    ['whose id is another', changeRecord((message) => ({ ...message, id: 'other' }))],
    ['whose pool is an object', changeRecord((message) => ({ ...message, pool: {} }))],
    [
      'whose recipients have another status',
      (client, keys, id) =>
        client.hset(keys.record(id), 'recipients', '[{"address":"someone@example.com","status":"evil"}]'),
    ],
    ['whose attempt is odd', (client, keys, id) => client.hset(keys.record(id), 'attempt:1', '{"at":5,"outcome":{}}')],
    [
      'whose count of attempts is beyond all',
      (client, keys, id) => client.hset(keys.record(id), 'attempts', '9'.repeat(20)),
    ],
    ['whose count of attempts is no number', (client, keys, id) => client.hset(keys.record(id), 'attempts', 'x')],
    ['that is gone', (client, keys, id) => client.del(keys.record(id))],
    ['that is of another type in Redis', (client, keys, id) => retype(client, keys.record(id))],
  ])('%s delays no other, sends nothing, and does not come back', async (_title, tamper) => {
    const { service, id } = await tamperWith(tamper);
    await untilNoJobs(service);
    expect(service.sandbox.exchange.messages.map(({ subject }) => subject)).toEqual(['other']);
    expect(service.log.some((line) => line.includes('unreadable') && line.includes(id))).toBe(true);
  });

  test.each<[string, readonly string[]]>([
    ['time of accept is none', ['acceptedAtMs', 'x']],
    ['size is none', ['bytes', 'x']],
    ['open attempt has no time', ['openAt', 'x']],
    ['open attempt is beyond all times', ['openAt', '9e300']],
    ['final dot has no time', ['openAt', '5', 'finalDotAt', 'x']],
    ['next attempt has no time', ['nextAttemptAt', 'x']],
    ['mailbox is nonsense', ['through', '{']],
    ['queue is another', ['queue', 'other']],
    ['job is another', ['ticket', 'other']],
  ])('whose %s still sends its message', async (_title, fields) => {
    const { service, id } = await tamperWith((client, keys, id) => client.hset(keys.record(id), ...fields));
    expect((await service.until(id, isFinal)).status).toBe('sent');
    await untilNoJobs(service);
    expect(service.sandbox.exchange.messages).toHaveLength(2);
  });

  test('of a message to a pool whose mailbox is nonsense still sends its message', async () => {
    const yaml =
      'mailboxes: [{ address: a@contoso.com }, { address: b@contoso.com }]\npools: [{ name: p, mailboxes: [a@contoso.com, b@contoso.com] }]';
    const service = await openTestService({ location: redis.location, workers: 0, yaml, env: { M365_MAILBOX: '' } });
    for (const address of ['a@contoso.com', 'b@contoso.com']) service.sandbox.exchange.addMailbox({ address });
    const id = await service.send({ mailbox: 'p' });
    await connectTo(redis).hset(makeKeys(service.namespace).record(id), 'pinned', '1', 'through', '{');
    await service.addWorker();
    expect((await service.until(id, isFinal)).status).toBe('sent');
  });

  test('that is damaged does not keep others from their end', async () => {
    const service = await openTestService({
      location: redis.location,
      workers: 0,
      env: { MESSAGE_TTL_HOURS: '0.001' },
    });
    const client = connectTo(redis);
    const keys = makeKeys(service.namespace);
    const ids = await Promise.all([1, 2, 3].map(() => service.send()));
    await service.request('POST', `/mailboxes/${service.sandbox.mailbox.address}/pause`);
    await client.hset(keys.record(ids[0] ?? ''), 'message', '{');
    await retype(client, keys.record(ids[1] ?? ''));
    await client.zadd(keys.deadlines, 1, ids[0] ?? '', 2, ids[1] ?? '', 3, 'no-such-message');
    await service.addWorker();
    expect((await service.until(ids[2] ?? '', isFinal)).status).toBe('expired');
    expect(await client.zcard(keys.deadlines)).toBe(0);
  });

  test.each<[string, Tamper]>([
    [
      'header',
      changeRecord((message) => ({
        ...message,
        to: [{ name: `x\r\nX-Injected: yes`, address: 'someone@example.com' }],
      })),
    ],
    ['subject', changeRecord((message) => ({ ...message, subject: 'x\r\nX-Injected: yes\r\n\r\nbody' }))],
    ['sender', changeRecord((message) => ({ ...message, from: { address: `${evil}` } }))],
    ['Message-ID', changeRecord((message) => ({ ...message, messageId: '<x>\r\nX-Injected: yes' }))],
  ])('whose %s holds line breaks does not break out of its line', async (_title, tamper) => {
    const { service, id } = await tamperWith(tamper);
    await service.until(id, ({ attempts }) => attempts?.length > 0);
    for (const { recipients, raw, from } of service.sandbox.exchange.messages) {
      expect(recipients).not.toContain('evil@example.com');
      expect(from).toBe('sandbox@relay365.example');
      const head = raw.toString('latin1').split('\r\n\r\n')[0] ?? '';
      expect(head).not.toMatch(/^X-Injected:/m);
    }
  });
});

describe('a job', () => {
  const queueOf = (service: TestService): Queue =>
    new Queue(service.sandbox.mailbox.address, {
      connection: connectTo(redis),
      prefix: makeKeys(service.namespace).prefix,
    });

  test.each<[string, unknown]>([
    ['for no message', { recipients: 1 }],
    ['with nonsense in it', { recipients: -5, sticky: 'x' }],
    ['with nothing in it', null],
  ])('%s goes away', async (_title, data) => {
    const service = await openTestService({ location: redis.location, workers: 0 });
    await queueOf(service).add('send', data, { jobId: 'no-such-message', priority: 1, attempts: 100 });
    await service.addWorker();
    expect((await service.until(await service.send(), isFinal)).status).toBe('sent');
    await untilNoJobs(service);
  });

  test.each<[string, string]>([
    ['cannot be parsed', '{'],
    ['is null', 'null'],
    ['is a number', '5'],
  ])('whose data %s still sends its message', async (_title, data) => {
    const service = await openTestService({ location: redis.location, workers: 0 });
    const id = await service.send();
    const queue = `${makeKeys(service.namespace).prefix}:${service.sandbox.mailbox.address}`;
    await connectTo(redis).hset(`${queue}:${id}`, 'data', data);
    await service.addWorker();
    expect((await service.until(id, isFinal)).status).toBe('sent');
    await untilNoJobs(service);
  });

  test('that is corrupt in any way sends its message once, and nothing of it is left', {
    timeout: LOCKS_END_MS_MAX,
  }, async () => {
    const service = await openTestService({
      location: redis.location,
      workers: 0,
      env: { M365_MESSAGES_PER_MINUTE: '0' },
      timings: { checkMs: 500, lockMs: 2_000, stalledCheckMs: 500 },
    });
    const client = connectTo(redis);
    const keys = makeKeys(service.namespace);
    const ids: string[] = [];
    for (const [subject, corrupt] of Object.entries(CORRUPTIONS)) {
      const id = await service.send({ subject });
      await corrupt(jobOf(client, keys, id));
      ids.push(id);
    }
    await service.addWorker();
    for (const id of ids) expect((await service.until(id, isFinal)).status).toBe('sent');
    await untilNoJobs(service);
    const subjects = service.sandbox.exchange.messages.map(({ subject }) => subject);
    expect(subjects.sort()).toEqual(Object.keys(CORRUPTIONS).sort());
    const left = await client.keys(`${keys.prefix}:${service.sandbox.mailbox.address}:*`);
    expect(left.filter((key) => ids.some((id) => key.includes(id)))).toEqual([]);
  });

  test('whose counts are corrupt while a worker has it does not keep others from being sent', async () => {
    const service = await openTestService({ location: redis.location, workers: 0 });
    const client = connectTo(redis);
    const ids = await Promise.all([service.send(), service.send()]);
    const queue = `${makeKeys(service.namespace).prefix}:${service.sandbox.mailbox.address}`;
    // As a dead worker leaves them.
    await client.zrem(`${queue}:prioritized`, ...ids);
    await client.lpush(`${queue}:active`, ...ids);
    await client.hset(`${queue}:${ids[0]}`, 'stc', 'x');
    await service.addWorker();
    for (const id of ids) expect((await service.until(id, isFinal)).status).toBe('sent');
    await untilNoJobs(service);
  });

  test('for no message that no worker can start goes away', async () => {
    const service = await openTestService({ location: redis.location, workers: 0 });
    await queueOf(service).add('send', {}, { jobId: 'no-such-message', priority: 1 });
    const queue = `${makeKeys(service.namespace).prefix}:${service.sandbox.mailbox.address}`;
    await connectTo(redis).hset(`${queue}:no-such-message`, 'ats', 'x');
    await service.addWorker();
    expect((await service.until(await service.send(), isFinal)).status).toBe('sent');
    await untilNoJobs(service);
  });

  test('that comes twice sends its message once', async () => {
    const service = await openTestService({ location: redis.location, workers: 2 });
    const id = await service.send();
    await service.until(id, isFinal);
    await queueOf(service).add('send', { recipients: 1 }, { jobId: id, priority: 1 });
    await untilNoJobs(service);
    expect(service.sandbox.exchange.messages).toHaveLength(1);
  });
});

/** The job of a message, as someone who writes to Redis can change it. */
interface JobInRedis {
  set(...fields: string[]): Promise<unknown>;
  remove(): Promise<unknown>;
  retype(): Promise<unknown>;
  /** Takes it out of the queue and leaves its data. */
  lose(): Promise<unknown>;
  move(score: string): Promise<unknown>;
}

type Corrupt = (job: JobInRedis) => Promise<unknown>;

function jobOf(client: RedisClient, keys: Keys, id: string): JobInRedis {
  const key = async (of: string) => `${keys.prefix}:${await client.hget(keys.record(id), 'queue')}:${of}`;
  return {
    set: async (...fields) => client.hset(await key(id), ...fields),
    remove: async () => client.del(await key(id)),
    retype: async () => retype(client, await key(id)),
    lose: async () => client.zrem(await key('prioritized'), id),
    move: async (score) => client.zadd(await key('prioritized'), score, id),
  };
}

/** What can happen to a job. */
const CORRUPTIONS: Readonly<Record<string, Corrupt>> = {
  'options cannot be parsed': (job) => job.set('opts', '{'),
  'options are null': (job) => job.set('opts', 'null'),
  "options are no JSON but Lua's": (job) => job.set('opts', '{"attempts":NaN}'),
  'options allow one attempt': (job) => job.set('opts', '{"attempts":1}'),
  'data is nested deeply': (job) => job.set('data', '['.repeat(100_000)),
  'data counts too many recipients': (job) => job.set('data', '{"recipients":1000000}'),
  'count of starts is no number': (job) => job.set('ats', 'x'),
  'count of attempts is no number': (job) => job.set('atm', 'x'),
  'count of attempts is beyond all': (job) => job.set('atm', '9223372036854775807'),
  'count of stalls is no number': (job) => job.set('stc', 'x'),
  'count of stalls is beyond all': (job) => job.set('stc', '2000000'),
  'priority is no number': (job) => job.set('priority', 'high'),
  'delay is no number': (job) => job.set('delay', 'x'),
  'time is no number': (job) => job.set('timestamp', 'x'),
  'name is another': (job) => job.set('name', 'x'.repeat(10_000)),
  'failure was deferred': (job) => job.set('defa', 'evil'),
  'parent is nonsense': (job) => job.set('parent', '{', 'parentKey', 'x'),
  'parent is in another queue': (job) => job.set('parentKey', '{x}:other:1'),
  'repetition is asked for': (job) => job.set('rjk', 'evil:1:::1000'),
  'schedule is asked for': (job) => job.set('rjk', 'evil'),
  'namesake is to be removed': (job) => job.set('deid', 'evil'),
  'fields are gone': (job) => job.remove(),
  'hash is a list': (job) => job.retype(),
  'position is gone': (job) => job.lose(),
  'position is behind all others': (job) => job.move('+inf'),
};

async function untilNoJobs(service: TestService): Promise<void> {
  const queue = new Queue(service.sandbox.mailbox.address, {
    connection: connectTo(redis),
    prefix: makeKeys(service.namespace).prefix,
  });
  await eventually(
    () => queue.getJobCounts(),
    (counts) => Object.values(counts).every((count) => count === 0),
  );
}
