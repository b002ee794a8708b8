/**
 * Every refusal of Exchange, Entra and the network, played to the running service at the stage where it occurs: what the
 * status of the message shows, what state its mailbox is in, and that no message fails for a fault that is not its own.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ENTRA_TABLE } from '../../src/core/replies/entra-table.ts';
import { NETWORK_TABLE } from '../../src/core/replies/network-table.ts';
import type { Stage } from '../../src/core/replies/outcome.ts';
import { REPLY_TABLE } from '../../src/core/replies/reply-table.ts';
import { ENTRA_ERRORS, type EntraErrorName } from '../../src/sandbox/entra-errors.ts';
import type { Stage as RuleStage } from '../../src/sandbox/exchange-script.ts';
import { openSandbox } from '../../src/sandbox/sandbox.ts';
import { CONNECTION_SAID } from '../core/replies/real-replies/connection.ts';
import { ENTRA_SAID, NETWORK_SAID } from '../core/replies/real-replies/entra.ts';
import { MAILBOX_SAID } from '../core/replies/real-replies/mailbox.ts';
import { MESSAGE_SAID } from '../core/replies/real-replies/message.ts';
import type { Meaning } from '../core/replies/real-replies/real-reply.ts';
import { eventually } from '../helpers/eventually.ts';
import { startTestRedis } from '../helpers/redis.ts';
import { isFinal, openTestService, type TestService } from '../helpers/service.ts';
import { openPlainServer, WITHOUT_STARTTLS } from '../smtp/plain-server.ts';

/** A reply and its stage, or a code. Each is played to a mailbox of its own. */
interface Scene {
  readonly meaning: Meaning;
  readonly address: string;
  readonly said: string;
  readonly stage?: Stage;
}

const REPLIES: readonly Scene[] = [...MAILBOX_SAID, ...CONNECTION_SAID, ...MESSAGE_SAID]
  .flatMap((meaning) => meaning.said.map(([stage, said]) => ({ meaning, stage, said })))
  .map((scene, n) => ({ ...scene, address: `reply-${n}@contoso.com` }));

const errorNameOf = (aadsts: string): EntraErrorName | undefined =>
  (Object.keys(ENTRA_ERRORS) as EntraErrorName[]).find((name) => aadsts === `AADSTS${ENTRA_ERRORS[name].code}`);

/** Failures without an answer of Entra. */
const UNANSWERED: Readonly<Record<string, object>> = { not_entra: { garbage: true }, UND_ERR_SOCKET: { drop: true } };

const REFUSALS: readonly Scene[] = ENTRA_SAID.flatMap((meaning) => meaning.codes.map((said) => ({ meaning, said })))
  .filter(({ said }) => errorNameOf(said) !== undefined || said in UNANSWERED)
  .map((scene, n) => ({ ...scene, address: `entra-${n}@contoso.com` }));

/** The configuration that breaks a mailbox's connection to Exchange. The ports are those of servers without trusted TLS. */
const BROKEN_CONNECTIONS: Readonly<Record<string, (ports: { untrusted: number; plain: number }) => string>> = {
  dns: () => 'smtpHost: no-such-host.invalid',
  refused: () => 'smtpPort: 1',
  // A multicast address: the kernel refuses to connect to it.
  unreachable: () => 'smtpHost: 224.0.0.1',
  certificate: ({ untrusted }) => `smtpPort: ${untrusted}`,
  tls: ({ plain }) => `smtpPort: ${plain}`,
};
const NETWORK_FAILURES: readonly Scene[] = NETWORK_SAID.filter(({ rule }) => BROKEN_CONNECTIONS[rule]).map(
  (meaning) => ({
    meaning,
    said: meaning.rule,
    address: `${meaning.rule}@contoso.com`,
  }),
);

/** Replies that are repeated, and how often the message is tried. */
const REPEATED = (
  [
    ['bad-sequence', 'data', '503 5.5.2 Need rcpt command', 2],
    ['protocol-violation', 'end', '451 4.5.0 SMTP protocol violation, see RFC 2821', 3],
    ['mailbox-logon-failure', 'end', '430 4.2.0 STOREDRV; mailbox logon failure; insufficient permission.', 4],
  ] as const
).map(([rule, stage, said, tries]) => ({ rule, stage, said, tries, address: `${rule}@contoso.com` }));

const titled = (scenes: readonly Scene[]) =>
  scenes.map((scene) => [scene.meaning.rule, scene.stage ?? '', scene.said, scene] as const);

let service: TestService;
const closers: (() => Promise<void>)[] = [];

beforeAll(async () => {
  const atEnd = (close: () => Promise<void>) => void closers.push(close);
  const redis = await startTestRedis();
  atEnd(redis.close);
  const untrusted = await openSandbox();
  atEnd(untrusted.close);
  const plain = await openPlainServer(WITHOUT_STARTTLS, atEnd);
  const ports = { untrusted: untrusted.smtp.port, plain: plain.port };
  const entries = [
    ...REPLIES.map(({ address }) => `address: ${address}`),
    ...REFUSALS.map(({ address }) => `address: ${address}, clientId: ${address}`),
    ...NETWORK_FAILURES.map(
      ({ address, meaning }) => `address: ${address}, ${BROKEN_CONNECTIONS[meaning.rule]?.(ports)}`,
    ),
    ...REPEATED.map(({ address }) => `address: ${address}`),
  ];
  service = await openTestService({
    location: redis.location,
    yaml: `mailboxes:\n${entries.map((entry) => `  - { ${entry} }\n`).join('')}`,
    env: { M365_MESSAGES_PER_MINUTE: '0' },
    sandbox: { limits: { messagesPerMinute: 0 } },
    atEnd,
  });
  const { exchange, entra, mailbox } = service.sandbox;
  for (const { address } of [...REPLIES, ...REFUSALS, ...NETWORK_FAILURES, ...REPEATED])
    exchange.addMailbox({ address });
  for (const { address } of REFUSALS) {
    entra.addApp({ tenantId: mailbox.tenantId, clientId: address, secrets: [mailbox.clientSecret] });
  }
});
afterAll(async () => {
  for (const close of closers.reverse()) await close();
});

/** What a mailbox's fault does to its message, in the words of the API. */
const BLOCKED = {
  hold: { status: 'held', outcome: 'held', state: 'held' },
  throttle: { status: 'queued', outcome: 'throttled', state: 'throttled' },
} as const;

/** Messages that wait for their mailbox. */
const waiting: { readonly id: string; readonly address: string; readonly tries: number }[] = [];

/** Checks that the message waits for its mailbox, which shows why. The mailbox is then paused until the last test. */
async function expectBlocked({ meaning, address }: Scene, reply?: object): Promise<void> {
  const { status, outcome, state } = BLOCKED[meaning.action as keyof typeof BLOCKED];
  const shown = shownOf(meaning);
  const id = await service.send({ mailbox: address });
  const tried = await service.until(id, ({ attempts }) => attempts.length > 0);
  expect(tried.attempts).toEqual([attempt(outcome, meaning, reply)]);
  const mailbox = await untilNotOpen(address);
  expect(mailbox).toMatchObject({ state, reason: { rule: meaning.rule, ...shown, ...(reply && { reply }) } });
  const message = await service.until(id, () => true);
  expect([message.status, message.recipients[0].status]).toEqual([status, 'pending']);
  if (state === 'held') expect(message.held).toMatchObject({ ...shown, ...(reply && { reply }) });
  await service.request('POST', `/mailboxes/${address}/pause`);
  waiting.push({ id, address, tries: 2 });
}

async function untilNotOpen(address: string): Promise<{ readonly state: string }> {
  const { body } = await eventually(
    () => service.request('GET', `/mailboxes/${address}`),
    (answer) => answer.body.state !== 'open',
  );
  return body;
}

const shownOf = ({ explanation, fix }: Meaning) => ({
  explanation: expect.stringMatching(explanation),
  ...(fix && { fix: expect.stringMatching(fix) }),
});

/** All fields of an attempt, and no others. */
const attempt = (outcome: string, meaning: Meaning, reply?: object) => ({
  at: expect.any(String),
  durationMs: expect.any(Number),
  outcome,
  ...(reply && { reply }),
  ...shownOf(meaning),
});

function replyOf(said: string): object {
  const [code, enhanced, ...words] = said.split(' ');
  return { code: Number(code), enhanced, text: words.join(' ') };
}

/** Makes Exchange give this reply to the mailbox. Returns a function that ends it. At the first stages no mailbox is known yet. */
function play({ stage, said, address }: Omit<Scene, 'meaning'>, times = Number.POSITIVE_INFINITY): () => void {
  const ruleStage = stage === 'greeting' ? 'ehlo' : (stage as RuleStage);
  const known = ruleStage !== 'connect' && ruleStage !== 'ehlo' && ruleStage !== 'starttls';
  return service.sandbox.exchange.script({
    stage: ruleStage,
    reply: said,
    times,
    ...(known && { mailbox: address }),
  });
}

const ofAction = (...actions: readonly string[]) =>
  titled(REPLIES.filter(({ meaning }) => actions.includes(meaning.action)));

describe('a reply that is the fault of the mailbox or its tenant blocks the mailbox, and its messages wait', () => {
  test.each(ofAction('hold', 'throttle'))('%s at %s: %s', async (_rule, _stage, said, scene) => {
    const stop = play(scene);
    await expectBlocked(scene, replyOf(said));
    stop();
  });
});

describe('a temporary reply costs the message an attempt, and does not block the mailbox', () => {
  test.each(ofAction('retry'))('%s at %s: %s', async (_rule, _stage, said, scene) => {
    play(scene, 1);
    const message = await service.until(await service.send({ mailbox: scene.address }), isFinal);
    expect(message.attempts).toMatchObject([
      attempt('deferred', scene.meaning, replyOf(said)),
      { outcome: 'sent', reply: { code: 250 } },
    ]);
    expect([message.status, message.recipients[0].status]).toEqual(['sent', 'sent']);
  });
});

describe('a permanent reply fails only the message or the recipient', () => {
  test.each(ofAction('fail'))('%s at %s: %s', async (_rule, _stage, said, scene) => {
    play(scene, 1);
    const ids = [await service.send({ mailbox: scene.address }), await service.send({ mailbox: scene.address })];
    const ended = await service.untilAll(ids, isFinal);
    const failed = ended.find(({ status }) => status === 'failed');
    expect(failed.attempts).toEqual([attempt('failed', scene.meaning, replyOf(said))]);
    expect(failed.recipients[0].status).toBe('failed');
    expect(ended.map(({ status }) => status).sort()).toEqual(['failed', 'sent']);
  });

  test.each(titled(REPLIES.filter(({ meaning: { scope }, stage }) => scope === 'recipient' && stage === 'rcpt')))(
    '%s at %s: %s, and not the others',
    async (_rule, _stage, said, { stage, address, meaning }) => {
      const { exchange } = service.sandbox;
      const recipients = ['good@example.com', 'bad@example.com', 'fine@example.com'];
      const before = exchange.messages.length;
      exchange.script({ stage: stage as RuleStage, recipient: 'bad@example.com', reply: said, mailbox: address });
      const message = await service.until(await service.send({ mailbox: address, to: recipients }), isFinal);
      const bad = meaning.action === 'fail' ? { status: 'failed', reply: replyOf(said) } : { status: 'sent' };
      expect(message).toMatchObject({ status: 'sent', recipients: [{ status: 'sent' }, bad, { status: 'sent' }] });
      const taken = exchange.messages.slice(before).map((one) => one.recipients);
      const again = meaning.action === 'fail' ? [] : [['bad@example.com']];
      expect(taken).toEqual([['good@example.com', 'fine@example.com'], ...again]);
    },
  );
});

describe('a refusal of a token holds the mailbox before a login to Exchange', () => {
  test.each(titled(REFUSALS))('%s%s by %s', async (_rule, _stage, said, scene) => {
    const answer = UNANSWERED[said] ?? { error: errorNameOf(said) };
    const clientId = scene.address;
    // MSAL does not ask again sooner. Without this value it waits a minute.
    const retryAfterSeconds = 1;
    const stop = service.sandbox.entra.script({
      clientId,
      ...answer,
      retryAfterSeconds,
      times: Number.POSITIVE_INFINITY,
    });
    await expectBlocked(scene);
    stop();
    expect(service.sandbox.exchange.logins.map(({ mailbox }) => mailbox)).not.toContain(scene.address);
  });
});

describe('a network failure holds the mailbox', () => {
  test.each(titled(NETWORK_FAILURES))('%s', async (rule, _stage, _said, scene) => {
    await expectBlocked(scene, rule === 'tls' ? replyOf('502 5.3.3 Command not implemented') : undefined);
  });
});

describe('a repeated reply', () => {
  test.each(REPEATED.filter(({ rule }) => rule !== 'mailbox-logon-failure'))(
    '$said fails the message after $tries attempts',
    async (scene) => {
      play(scene);
      const message = await service.until(await service.send({ mailbox: scene.address }), isFinal);
      expect(message.status).toBe('failed');
      expect(message.attempts.map(({ outcome }: { outcome: string }) => outcome)).toEqual([
        ...Array.from({ length: scene.tries - 1 }, () => 'deferred'),
        'failed',
      ]);
    },
  );

  test('430 4.2.0 mailbox logon failure slows the mailbox, and holds it at the fourth time in a row', async () => {
    const scene = REPEATED.find(({ rule }) => rule === 'mailbox-logon-failure');
    if (!scene) throw new Error('The reply is missing.');
    const stop = play(scene);
    const id = await service.send({ mailbox: scene.address });
    for (let n = 1; n <= scene.tries; n += 1) {
      const { attempts } = await service.until(id, (message) => message.attempts.length === n);
      expect(attempts.at(-1).outcome).toBe('throttled');
      const { state } = await untilNotOpen(scene.address);
      if (n < scene.tries) {
        expect(state).toBe('throttled');
        await service.request('POST', `/mailboxes/${scene.address}/resume`);
      }
    }
    expect((await service.until(id, ({ status }) => status === 'held')).held.explanation).toMatch(/could not open/);
    await service.request('POST', `/mailboxes/${scene.address}/pause`);
    waiting.push({ id, address: scene.address, tries: scene.tries + 1 });
    stop();
  });
});

test('waiting messages are sent once, as soon as the fault is fixed', async () => {
  const fixed = waiting.filter(({ address }) => !NETWORK_FAILURES.some((failure) => failure.address === address));
  const resume = ({ address }: { address: string }) => service.request('POST', `/mailboxes/${address}/resume`);
  await Promise.all(fixed.map(resume));
  const ended = await Promise.all(fixed.map(({ id }) => service.until(id, isFinal)));
  expect(ended.map(({ status, attempts }) => [status, attempts.length])).toEqual(
    fixed.map(({ tries }) => ['sent', tries]),
  );
  const { messages } = service.sandbox.exchange;
  expect(messages.length).toBe(new Set(messages.map(({ messageId, recipients }) => `${messageId} ${recipients}`)).size);
  const { body } = await service.request('GET', '/mailboxes');
  const stateOf = new Map(body.items.map(({ id, state }: { id: string; state: string }) => [id, state]));
  // A throttled mailbox speeds up again with its next messages.
  const open = [...REPLIES, ...REFUSALS].filter(({ meaning }) => meaning.action !== 'throttle');
  expect(open.filter(({ address }) => stateOf.get(address) !== 'open')).toEqual([]);
});

/** The timeout would take 30 s. test/entra/managed-identity.test.ts has a platform that issues no token. */
const ELSEWHERE = ['managed-identity-unavailable', 'timeout'];

test('every row is played, except those that are tested elsewhere', () => {
  const played = new Set([...REPLIES, ...REFUSALS, ...NETWORK_FAILURES].map(({ meaning }) => meaning.rule));
  const left = [...REPLY_TABLE, ...ENTRA_TABLE, ...NETWORK_TABLE].filter(({ id }) => !played.has(id));
  expect(left.map(({ id }) => id)).toEqual(ELSEWHERE);
});
