/**
 * Every "no" of Exchange, of Entra and of the network, said where they say it, and carried over the whole way: what the
 * status of the message tells, how its mailbox stands, and that no mail is lost for a fault that is not its own.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ENTRA_TABLE } from '../../src/core/replies/entra-table.ts';
import { NETWORK_TABLE } from '../../src/core/replies/network-table.ts';
import type { Stage } from '../../src/core/replies/outcome.ts';
import { REPLY_TABLE } from '../../src/core/replies/reply-table.ts';
import { ENTRA_ERRORS, type EntraErrorName } from '../../src/sandbox/entra-errors.ts';
import type { Stage as MailboxWorker } from '../../src/sandbox/exchange-script.ts';
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

/** A text and where it is said, or a code; each is played to a mailbox of its own. */
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

/** Where Entra itself says nothing. */
const UNANSWERED: Readonly<Record<string, object>> = { not_entra: { garbage: true }, UND_ERR_SOCKET: { drop: true } };

const REFUSALS: readonly Scene[] = ENTRA_SAID.flatMap((meaning) => meaning.codes.map((said) => ({ meaning, said })))
  .filter(({ said }) => errorNameOf(said) !== undefined || said in UNANSWERED)
  .map((scene, n) => ({ ...scene, address: `entra-${n}@contoso.com` }));

/** How the way to Exchange is spoilt for a mailbox: the ports are those of servers that are not to be trusted. */
const SPOILT: Readonly<Record<string, (ports: { untrusted: number; plain: number }) => string>> = {
  dns: () => 'smtpHost: no-such-host.invalid',
  refused: () => 'smtpPort: 1',
  // A multicast address: the kernel refuses to connect to it.
  unreachable: () => 'smtpHost: 224.0.0.1',
  certificate: ({ untrusted }) => `smtpPort: ${untrusted}`,
  tls: ({ plain }) => `smtpPort: ${plain}`,
};
const TROUBLES: readonly Scene[] = NETWORK_SAID.filter(({ rule }) => SPOILT[rule]).map((meaning) => ({
  meaning,
  said: meaning.rule,
  address: `${meaning.rule}@contoso.com`,
}));

/** Replies that come again and again, and how often the message is tried. */
const STUBBORN = (
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
  const stranger = await openSandbox();
  atEnd(stranger.close);
  const plain = await openPlainServer(WITHOUT_STARTTLS, atEnd);
  const ports = { untrusted: stranger.smtp.port, plain: plain.port };
  const entries = [
    ...REPLIES.map(({ address }) => `address: ${address}`),
    ...REFUSALS.map(({ address }) => `address: ${address}, clientId: ${address}`),
    ...TROUBLES.map(({ address, meaning }) => `address: ${address}, ${SPOILT[meaning.rule]?.(ports)}`),
    ...STUBBORN.map(({ address }) => `address: ${address}`),
  ];
  service = await openTestService({
    location: redis.location,
    yaml: `mailboxes:\n${entries.map((entry) => `  - { ${entry} }\n`).join('')}`,
    env: { M365_MESSAGES_PER_MINUTE: '0' },
    sandbox: { limits: { messagesPerMinute: 0 } },
    atEnd,
  });
  const { exchange, entra, mailbox } = service.sandbox;
  for (const { address } of [...REPLIES, ...REFUSALS, ...TROUBLES, ...STUBBORN]) exchange.addMailbox({ address });
  for (const { address } of REFUSALS) {
    entra.addApp({ tenantId: mailbox.tenantId, clientId: address, secrets: [mailbox.clientSecret] });
  }
});
afterAll(async () => {
  for (const close of closers.reverse()) await close();
});

/** What a mailbox's fault does to its message, and the name of that in the API. */
const BLOCKED = {
  hold: { status: 'held', outcome: 'held', state: 'held' },
  throttle: { status: 'queued', outcome: 'throttled', state: 'throttled' },
} as const;

/** Messages that wait for their mailbox. */
const waiting: { readonly id: string; readonly address: string; readonly tries: number }[] = [];

/** The message waits for its mailbox, which says why; nothing tries it any more until the last test. */
async function expectBlocked({ meaning, address }: Scene, reply?: object): Promise<void> {
  const { status, outcome, state } = BLOCKED[meaning.action as keyof typeof BLOCKED];
  const told = toldOf(meaning);
  const id = await service.send({ mailbox: address });
  const tried = await service.until(id, ({ attempts }) => attempts.length > 0);
  expect(tried.attempts).toEqual([attempt(outcome, meaning, reply)]);
  const mailbox = await untilNotOpen(address);
  expect(mailbox).toMatchObject({ state, reason: { rule: meaning.rule, ...told, ...(reply && { reply }) } });
  const message = await service.until(id, () => true);
  expect([message.status, message.recipients[0].status]).toEqual([status, 'pending']);
  if (state === 'held') expect(message.held).toMatchObject({ ...told, ...(reply && { reply }) });
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

const toldOf = ({ explanation, fix }: Meaning) => ({
  explanation: expect.stringMatching(explanation),
  ...(fix && { fix: expect.stringMatching(fix) }),
});

/** The whole of an attempt: what is not told is not there. */
const attempt = (outcome: string, meaning: Meaning, reply?: object) => ({
  at: expect.any(String),
  durationMs: expect.any(Number),
  outcome,
  ...(reply && { reply }),
  ...toldOf(meaning),
});

function replyOf(said: string): object {
  const [code, enhanced, ...words] = said.split(' ');
  return { code: Number(code), enhanced, text: words.join(' ') };
}

/** Has Exchange say it to this mailbox, until that is taken back. The first connection has no mailbox yet. */
function play({ stage, said, address }: Omit<Scene, 'meaning'>, times = Number.POSITIVE_INFINITY): () => void {
  const mailboxWorker = stage === 'greeting' ? 'ehlo' : (stage as MailboxWorker);
  const known = mailboxWorker !== 'connect' && mailboxWorker !== 'ehlo' && mailboxWorker !== 'starttls';
  return service.sandbox.exchange.script({
    stage: mailboxWorker,
    reply: said,
    times,
    ...(known && { mailbox: address }),
  });
}

const ofAction = (...verdicts: readonly string[]) =>
  titled(REPLIES.filter(({ meaning }) => verdicts.includes(meaning.action)));

describe('a reply for which the mailbox or its tenant is at fault blocks the mailbox, and its mail waits', () => {
  test.each(ofAction('hold', 'throttle'))('%s at %s: %s', async (_rule, _stage, said, scene) => {
    const stop = play(scene);
    await expectBlocked(scene, replyOf(said));
    stop();
  });
});

describe('a reply for the moment costs the mail an attempt, and the mailbox nothing', () => {
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

describe('a reply for good fails the message, or the recipient, alone', () => {
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
      exchange.script({ stage: stage as MailboxWorker, recipient: 'bad@example.com', reply: said, mailbox: address });
      const message = await service.until(await service.send({ mailbox: address, to: recipients }), isFinal);
      const bad = meaning.action === 'fail' ? { status: 'failed', reply: replyOf(said) } : { status: 'sent' };
      expect(message).toMatchObject({ status: 'sent', recipients: [{ status: 'sent' }, bad, { status: 'sent' }] });
      const taken = exchange.messages.slice(before).map((one) => one.recipients);
      const again = meaning.action === 'fail' ? [] : [['bad@example.com']];
      expect(taken).toEqual([['good@example.com', 'fine@example.com'], ...again]);
    },
  );
});

describe('a refusal of a token holds the mailbox before Exchange is bothered', () => {
  test.each(titled(REFUSALS))('%s%s by %s', async (_rule, _stage, said, scene) => {
    const answer = UNANSWERED[said] ?? { error: errorNameOf(said) };
    const clientId = scene.address;
    // MSAL does not ask again before that, and after a minute when it is told nothing.
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

describe('a trouble of the network holds the mailbox', () => {
  test.each(titled(TROUBLES))('%s', async (rule, _stage, _said, scene) => {
    await expectBlocked(scene, rule === 'tls' ? replyOf('502 5.3.3 Command not implemented') : undefined);
  });
});

describe('a reply that stays', () => {
  test.each(STUBBORN.filter(({ rule }) => rule !== 'mailbox-logon-failure'))(
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
    const scene = STUBBORN.find(({ rule }) => rule === 'mailbox-logon-failure');
    if (!scene) throw new Error('It is not played.');
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

test('what waited goes out once, as soon as the fault is mended', async () => {
  const mended = waiting.filter(({ address }) => !TROUBLES.some((trouble) => trouble.address === address));
  const resume = ({ address }: { address: string }) => service.request('POST', `/mailboxes/${address}/resume`);
  await Promise.all(mended.map(resume));
  const ended = await Promise.all(mended.map(({ id }) => service.until(id, isFinal)));
  expect(ended.map(({ status, attempts }) => [status, attempts.length])).toEqual(
    mended.map(({ tries }) => ['sent', tries]),
  );
  const { messages } = service.sandbox.exchange;
  expect(messages.length).toBe(new Set(messages.map(({ messageId, recipients }) => `${messageId} ${recipients}`)).size);
  const { body } = await service.request('GET', '/mailboxes');
  const stateOf = new Map(body.items.map(({ id, state }: { id: string; state: string }) => [id, state]));
  // One that was slowed down finds its pace with its next messages.
  const open = [...REPLIES, ...REFUSALS].filter(({ meaning }) => meaning.action !== 'throttle');
  expect(open.filter(({ address }) => stateOf.get(address) !== 'open')).toEqual([]);
});

/** The timeout would take its 30 s; test/entra/managed-identity.test.ts has a platform that gives no token. */
const ELSEWHERE = ['managed-identity-unavailable', 'timeout'];

test('no row is left out but those that are played elsewhere', () => {
  const played = new Set([...REPLIES, ...REFUSALS, ...TROUBLES].map(({ meaning }) => meaning.rule));
  const left = [...REPLY_TABLE, ...ENTRA_TABLE, ...NETWORK_TABLE].filter(({ id }) => !played.has(id));
  expect(left.map(({ id }) => id)).toEqual(ELSEWHERE);
});
