/** Microsoft's rules, kept by any number of workers: seen from the simulated Exchange, which counts for itself. */
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { Exchange } from '../../src/sandbox/exchange.ts';
import { environment, startProcess, temporaryFile, type TestProcess } from '../helpers/process.ts';
import { startTestRedis, type TestRedis } from '../helpers/redis.ts';
import { isFinal, openTestService, type TestService } from '../helpers/service.ts';

let redis: TestRedis;
beforeAll(async () => {
  redis = await startTestRedis();
});
afterAll(() => redis.close());

/** A minute of these tests; Exchange and relay365 have the same one. */
const WINDOW_MS = 3_000;
const LIMIT = 30;
const MINUTE_MS = 60_000;
const SHARE_MIN = 0.95;
/** Longer than any test. */
const HANGING = { delayMs: 10 * MINUTE_MS, times: Number.POSITIVE_INFINITY };

async function startWorker(service: TestService): Promise<TestProcess> {
  const ca = temporaryFile('ca.pem', service.sandbox.caCertificate);
  const worker = startProcess('test/helpers/worker-process.ts', {
    ...environment(service.env),
    REDIS_URL: redis.location.url,
    NODE_EXTRA_CA_CERTS: ca,
    TEST_NAMESPACE: service.namespace,
    TEST_WINDOW_MS: String(WINDOW_MS),
    TEST_TIMINGS: JSON.stringify({ lockMs: 5_000, stalledCheckMs: 1_000 }),
  });
  await worker.line(/worker ready/);
  return worker;
}

const sendMany = (service: TestService, count: number, mail: object = {}): Promise<string[]> =>
  Promise.all(Array.from({ length: count }, (_, n) => service.send({ subject: `Mail ${n}`, ...mail })));

/** The most messages that Exchange took within any window. */
function busiestWindow(times: readonly number[]): number {
  return Math.max(...times.map((start) => times.filter((at) => at >= start && at < start + WINDOW_MS).length));
}

/**
 * How much of the limit would be used of a real minute: what is lost between two windows, from the moment when a place
 * is free to the mail that takes it, is as long whatever the window is. Whole windows lie between a message and the one
 * that has its place at the end.
 */
function shareOfLimit(times: readonly number[]): number {
  const windows = Math.floor((times.length - 1) / LIMIT);
  const [last = 0, first = 0] = [times.at(-1), times.at(-1 - windows * LIMIT)];
  const lostMs = (last - first) / windows - WINDOW_MS;
  return MINUTE_MS / (MINUTE_MS + lostMs);
}

const timesOf = ({ messages }: Exchange, address: string): number[] =>
  messages.filter(({ mailbox }) => mailbox === address).map(({ at }) => at.getTime());

describe('four workers and one mailbox', () => {
  test.each([
    ['', 100, 0],
    [', two of them killed on the way', 200, 2],
  ])(
    'keep 3 connections and 30 messages a window, and use the limit%s',
    async (_title, count, killed) => {
      const service = await openTestService({
        location: redis.location,
        workers: 0,
        sandbox: { limits: { messageRateWindowMs: WINDOW_MS } },
      });
      const workers = await Promise.all(Array.from({ length: 4 }, () => startWorker(service)));
      const { exchange, mailbox } = service.sandbox;
      const ids = await sendMany(service, count);
      await exchange.waitFor(({ messages }) => messages.length >= 70);
      await Promise.all(workers.slice(0, killed).map((worker) => worker.end('SIGKILL')));
      const messages = await service.untilAll(ids, isFinal);
      expect(messages.map(({ status }) => status)).toEqual(ids.map(() => 'sent'));

      const times = exchange.messages.map(({ at }) => at.getTime());
      expect(exchange.connections(mailbox.address).peak).toBeLessThanOrEqual(3);
      expect(busiestWindow(times)).toBeLessThanOrEqual(LIMIT);
      expect(exchange.attempts.filter(({ outcome }) => outcome === 'refused')).toEqual([]);
      // What a dead worker left waits for its lease and not for the limit.
      const left = messages.filter(({ attempts }) => attempts.length > 1).map(({ messageId }) => messageId);
      const steady = exchange.messages
        .filter(({ messageId }) => !left.includes(messageId))
        .map(({ at }) => at.getTime());
      expect(shareOfLimit(steady)).toBeGreaterThanOrEqual(SHARE_MIN);
      // Whoever was sent twice has an attempt on record that says why.
      const doubled = messages.filter(
        ({ messageId }) => exchange.messages.filter((m) => m.messageId === messageId).length > 1,
      );
      for (const { attempts } of doubled)
        expect(attempts.some(({ outcome }: { outcome: string }) => outcome === 'unknown')).toBe(true);
    },
    60_000,
  );
});

describe('a new worker', () => {
  test('gets its share of the connections while the others give theirs up', async () => {
    const service = await openTestService({
      location: redis.location,
      workers: 1,
      env: { M365_MESSAGES_PER_MINUTE: '0' },
    });
    const { exchange, mailbox } = service.sandbox;
    exchange.setLimits({ messagesPerMinute: 0 });
    exchange.script({ stage: 'end', delayMs: 200, times: Number.POSITIVE_INFINITY });
    const ids = await sendMany(service, 75);
    const second = await startWorker(service);
    let hasShare = false;
    const share = second.line(/"sent"/).then(() => {
      hasShare = true;
    });
    // The first worker stays busy until the second one has sent a message, however long that takes to start.
    while (!hasShare) {
      await Promise.race([share, service.untilAll(ids, isFinal)]);
      if (!hasShare) ids.push(...(await sendMany(service, 30)));
    }
    await service.untilAll(ids, isFinal);
    expect(exchange.connections(mailbox.address).peak).toBe(3);
    expect(exchange.messages).toHaveLength(ids.length);
  });
});

/** Messages that Exchange took from each of these mailboxes. */
const takenFrom = ({ messages }: Exchange, addresses: readonly string[]): number[] =>
  addresses.map((address) => messages.filter(({ mailbox }) => mailbox === address).length);

/** The first wait before a held mailbox is tried again. */
const PROBE_MS = 10_000;

describe('ten mailboxes on three workers', () => {
  const addresses = Array.from({ length: 10 }, (_, n) => `m${n}@contoso.com`);
  const [faulty = '', ...sound] = addresses;
  const yaml = `mailboxes:\n${addresses.map((address) => `  - address: ${address}\n`).join('')}`;
  const open = async (): Promise<TestService> => {
    const service = await openTestService({ location: redis.location, workers: 3, yaml });
    for (const address of addresses) service.sandbox.exchange.addMailbox({ address });
    return service;
  };

  test.each<[string, (exchange: Exchange) => void]>([
    ['is held', (exchange) => exchange.setMailbox(faulty, { smtpAuthDisabled: true })],
    // Its connections hang until the test ends: what waits for them must not keep anybody else.
    ['never answers', (exchange) => void exchange.script({ stage: 'auth', mailbox: faulty, ...HANGING })],
    ['takes no end', (exchange) => void exchange.script({ stage: 'end', mailbox: faulty, ...HANGING })],
  ])('each use the whole of a real minute at once, while one %s', async (_, spoil) => {
    const service = await open();
    const { exchange } = service.sandbox;
    spoil(exchange);
    onTestFinished(() => {
      exchange.clearScript();
      exchange.disconnectAll();
    });
    const startedAt = Date.now();
    // The faulty one is first in every queue.
    await sendMany(service, LIMIT + 10, { mailbox: faulty });
    await Promise.all(sound.map((mailbox) => sendMany(service, LIMIT + 10, { mailbox })));
    await exchange.waitFor(() => takenFrom(exchange, sound).every((count) => count >= LIMIT));
    expect(takenFrom(exchange, addresses)).toEqual([0, ...sound.map(() => LIMIT)]);
    // The faulty mailbox was tried by as many as may be under way, then by probes alone: each twice, for a new token.
    expect(exchange.attempts.filter(({ outcome }) => outcome !== 'accepted')).toEqual([]);
    const logins = exchange.logins.filter(({ mailbox }) => mailbox === faulty).length;
    expect(logins).toBeLessThanOrEqual(2 * (3 + Math.floor((Date.now() - startedAt) / PROBE_MS)));
  });

  test('each keep their own limits, and one that is held slows none of the others', async () => {
    const service = await openTestService({
      location: redis.location,
      workers: 3,
      yaml,
      windowMs: WINDOW_MS,
      sandbox: { limits: { messageRateWindowMs: WINDOW_MS } },
    });
    const { exchange } = service.sandbox;
    for (const address of addresses) exchange.addMailbox({ address });
    exchange.setMailbox(faulty, { smtpAuthDisabled: true });
    const ids = await Promise.all(addresses.map((mailbox) => sendMany(service, 40, { mailbox })));
    const others = await service.untilAll(ids.slice(1).flat(), isFinal);
    expect(new Set(others.map(({ status }) => status))).toEqual(new Set(['sent']));
    for (const address of sound) {
      const times = timesOf(exchange, address);
      expect([times.length, busiestWindow(times) <= LIMIT, exchange.connections(address).peak <= 3]).toEqual([
        40,
        true,
        true,
      ]);
    }
    const held = await service.untilAll(ids[0] ?? [], ({ status }) => status !== 'sending');
    expect(new Set(held.map(({ status }) => status))).toEqual(new Set(['held']));
    // Nobody else's mail met with anything on its way.
    expect(others.filter(({ attempts }) => attempts.length !== 1)).toEqual([]);
  });
});

describe('a pool of three', () => {
  const MEMBERS = ['p1@contoso.com', 'p2@contoso.com', 'p3@contoso.com'];
  const yaml = [
    'mailboxes:',
    ...MEMBERS.map((address) => `  - address: ${address}`),
    'pools:',
    `  - { name: news, mailboxes: [${MEMBERS.join(', ')}] }`,
    `  - { name: sticky, mailboxes: [${MEMBERS.join(', ')}], stickyBy: recipient }`,
  ].join('\n');
  const open = async (): Promise<TestService> => {
    const service = await openTestService({
      location: redis.location,
      workers: 2,
      yaml,
      windowMs: WINDOW_MS,
      sandbox: { limits: { messageRateWindowMs: WINDOW_MS } },
    });
    for (const address of MEMBERS) service.sandbox.exchange.addMailbox({ address });
    return service;
  };

  test('carries 90 in a real minute, 30 by each, and not one more', async () => {
    const service = await openTestService({ location: redis.location, workers: 2, yaml });
    const { exchange } = service.sandbox;
    for (const address of MEMBERS) exchange.addMailbox({ address });
    const ids = await sendMany(service, 3 * LIMIT + 10, { mailbox: 'news' });
    await exchange.waitFor(({ messages }) => messages.length >= 3 * LIMIT);
    expect(takenFrom(exchange, MEMBERS)).toEqual([LIMIT, LIMIT, LIMIT]);
    const states = await service.untilAll(ids, ({ status }) => status !== 'sending');
    const waiting = states.filter(({ status }) => status === 'queued');
    expect([waiting.length, waiting.every(({ attempts }) => attempts.length === 0)]).toEqual([10, true]);
  });

  test('carries three times the limit, as its members, and goes on when one of them is held', async () => {
    const service = await open();
    const { exchange } = service.sandbox;
    const mail = { mailbox: 'news', from: 'The Shop <p2@contoso.com>', replyTo: 'shop@contoso.com' };
    const ids = await sendMany(service, 270, mail);
    await exchange.waitFor(({ messages }) => messages.length >= 170);
    exchange.setMailbox('p3@contoso.com', { full: true });
    const heldAt = Date.now();
    const messages = await service.untilAll(ids, isFinal);
    expect(messages.every(({ status }) => status === 'sent')).toBe(true);
    // More than two of them could carry; and those that were not held went on with all that they may send.
    expect(busiestWindow(exchange.messages.map(({ at }) => at.getTime()))).toBeGreaterThan(2 * LIMIT);
    for (const member of MEMBERS.slice(0, 2))
      expect(busiestWindow(timesOf(exchange, member).filter((at) => at > heldAt))).toBe(LIMIT);
    for (const { mailbox, raw } of exchange.messages) {
      expect(raw.toString()).toContain(`From: The Shop <${mailbox}>`);
      expect(raw.toString()).toContain('Reply-To: shop@contoso.com');
    }
    for (const member of MEMBERS) {
      const own = timesOf(exchange, member);
      expect([busiestWindow(own) <= LIMIT, exchange.connections(member).peak <= 3]).toEqual([true, true]);
    }
    expect(new Set(messages.map(({ mailbox }) => mailbox))).toEqual(new Set(MEMBERS));
  });

  test('keeps a recipient with one mailbox, if wished', async () => {
    const service = await open();
    const recipients = Array.from({ length: 12 }, (_, n) => `r${n % 6}@example.com`);
    const ids = await Promise.all(recipients.map((to) => service.send({ mailbox: 'sticky', to })));
    const messages = await service.untilAll(ids, isFinal);
    const sendersOf = Map.groupBy(messages, ({ to }) => to[0].address);
    for (const group of sendersOf.values()) expect(new Set(group.map(({ mailbox }) => mailbox)).size).toBe(1);
    expect(new Set(messages.map(({ mailbox }) => mailbox)).size).toBeGreaterThan(1);
  });
});

describe('the priorities', () => {
  test('let a password reset overtake a newsletter, and low still move', async () => {
    const service = await openTestService({
      location: redis.location,
      workers: 0,
      env: { M365_CONNECTIONS: '1', M365_MESSAGES_PER_MINUTE: '0' },
    });
    const { exchange } = service.sandbox;
    exchange.setLimits({ messagesPerMinute: 0 });
    await sendMany(service, 3, { priority: 'low', subject: 'low' });
    await sendMany(service, 40, { subject: 'normal' });
    await sendMany(service, 2, { priority: 'high', subject: 'high' });
    await service.addWorker();
    await exchange.waitFor(({ messages }) => messages.length === 45);
    const order = exchange.messages.map(({ subject }) => subject);
    expect(order.slice(0, 2)).toEqual(['high', 'high']);
    // At least one of ten messages is a low one, while there are any.
    expect(order.indexOf('low')).toBeLessThanOrEqual(10);
    expect(order.lastIndexOf('low')).toBeLessThanOrEqual(30);
  });
});
