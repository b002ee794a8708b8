/** Mailboxes that come, go and change while their mails wait: no mail is forgotten, and its status tells what it waits for. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { temporaryFile } from '../helpers/process.ts';
import { startTestRedis, type TestRedis } from '../helpers/redis.ts';
import { isFinal, openTestService, type TestService } from '../helpers/service.ts';

let redis: TestRedis;
beforeAll(async () => {
  redis = await startTestRedis();
});
afterAll(() => redis.close());

const MEMBERS = ['m1@contoso.com', 'm2@contoso.com', 'm3@contoso.com'];
const MAIN = '  - address: sandbox@relay365.example\n';
const fileOf = (members: readonly string[]) =>
  [
    `mailboxes:\n${MAIN}${members.map((address) => `  - address: ${address}\n`).join('')}`,
    members.length > 0 ? `pools:\n  - { name: news, mailboxes: [${members.join(', ')}] }\n` : '',
  ].join('');

async function open(members: readonly string[] = MEMBERS): Promise<TestService> {
  const service = await openTestService({ location: redis.location, yaml: fileOf(members) });
  for (const address of members) service.sandbox.exchange.addMailbox({ address });
  return service;
}
const change = (service: TestService, members: readonly string[], env: object = {}): Promise<void> =>
  service.reload({ CONFIG_FILE: temporaryFile('relay365.yaml', fileOf(members)), ...env });

describe('a mailbox that is removed from the configuration', () => {
  test('leaves its messages held, with the fix, until it is back', async () => {
    const service = await open();
    await service.request('POST', '/mailboxes/m1@contoso.com/pause');
    const id = await service.send({ mailbox: 'm1@contoso.com' });
    await change(service, []);
    const { status, body } = await service.request('GET', `/messages/${id}`);
    expect([status, body.status]).toEqual([200, 'held']);
    expect(body.held).toMatchObject({
      explanation: expect.stringContaining('m1@contoso.com is no longer in the configuration'),
      fix: expect.stringContaining('relay365.yaml'),
    });
    expect(body.estimatedAt).toBeUndefined();
    const { items } = (await service.request('GET', '/messages?status=held')).body;
    expect(items.map((item: { id: string }) => item.id)).toContain(id);
    const mailboxes = (await service.request('GET', '/mailboxes')).body.items;
    expect(mailboxes.at(-1)).toMatchObject({
      id: 'm1@contoso.com',
      state: 'held',
      reason: { rule: 'not-configured' },
      queue: { waiting: 1 },
    });
    expect(service.log.join()).toMatch(/"mailbox":"m1@contoso.com".*no longer in the configuration/);
    await change(service, MEMBERS);
    expect((await service.request('GET', `/messages/${id}`)).body.status).toBe('queued');
    await service.request('POST', '/mailboxes/m1@contoso.com/resume');
    expect((await service.until(id, isFinal)).status).toBe('sent');
    expect((await service.request('GET', '/mailboxes')).body.items).toHaveLength(4);
  });

  test('lets its messages expire, with the reason', async () => {
    const service = await open();
    await service.request('POST', '/mailboxes/m1@contoso.com/pause');
    const expiresAt = new Date(Date.now() + 1_000).toISOString();
    const id = await service.send({ mailbox: 'm1@contoso.com', expiresAt });
    await change(service, []);
    const message = await service.until(id, isFinal);
    expect(message).toMatchObject({
      status: 'expired',
      attempts: [{ explanation: expect.stringContaining('no longer in the configuration') }],
    });
  });
});

describe('a pool', () => {
  test('continues without a member that is removed, and loses no message', async () => {
    const service = await open();
    service.sandbox.exchange.script({ stage: 'end', delayMs: 100, times: Number.POSITIVE_INFINITY });
    const ids = await Promise.all(Array.from({ length: 40 }, () => service.send({ mailbox: 'news' })));
    await service.sandbox.exchange.waitFor(({ messages }) => messages.length > 5);
    await change(service, MEMBERS.slice(1));
    const messages = await service.untilAll(ids, isFinal);
    expect(messages.map(({ status }) => status)).toEqual(ids.map(() => 'sent'));
    expect(service.sandbox.exchange.messages).toHaveLength(40);
  });

  test('is held only when all of its members are', async () => {
    const service = await open();
    const { exchange } = service.sandbox;
    for (const address of MEMBERS.slice(1)) exchange.setMailbox(address, { full: true });
    await service.until(await service.send({ mailbox: 'm2@contoso.com' }), ({ status }) => status === 'held');
    await service.until(await service.send({ mailbox: 'm3@contoso.com' }), ({ status }) => status === 'held');
    const seen = new Set<string>();
    const first = await service.until(await service.send({ mailbox: 'news' }), ({ status }) => {
      seen.add(status);
      return isFinal({ status });
    });
    expect([first.status, seen.has('held')]).toEqual(['sent', false]);
    exchange.setMailbox('m1@contoso.com', { full: true });
    const id = await service.send({ mailbox: 'news' });
    const held = await service.until(id, ({ status }) => status === 'held');
    expect(held.held.explanation).toContain('mailbox is full');
    const { pools } = (await service.request('GET', '/mailboxes')).body;
    expect(pools).toMatchObject([
      { name: 'news', mailboxes: MEMBERS, state: 'held', reason: { rule: 'mailbox-full' }, queue: expect.any(Object) },
    ]);
    expect(pools[0].queue.waiting + pools[0].queue.delayed + pools[0].queue.underWay).toBe(1);
  });
});

test('a paused mailbox stays paused when its configuration changes', async () => {
  const service = await open([]);
  const { address } = service.sandbox.mailbox;
  await service.request('POST', `/mailboxes/${address}/pause`);
  await change(service, [], { M365_MESSAGES_PER_MINUTE: '20' });
  expect((await service.request('GET', `/mailboxes/${address}`)).body.state).toBe('paused');
});
