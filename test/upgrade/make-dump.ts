/**
 * Makes a dump for upgrade.test.ts: runs the processes of a checkout on a Redis of their own, brings messages into every
 * state that they can have in Redis, and writes down what Redis holds then. It only speaks HTTP, so it works with any
 * version. To add the dump of a version:
 *
 *   git worktree add /tmp/old TAG && ln -s $PWD/node_modules /tmp/old/node_modules
 *   node test/upgrade/make-dump.ts /tmp/old
 */
import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { openSandbox } from '../../src/sandbox/sandbox.ts';
import { openRedisServer } from '../../torture/redis-server.ts';
import { type DumpedMailbox, type DumpedMessage, type DumpedRequest, encodeDump, readKeys } from './dump.ts';

const [checkout = '.'] = process.argv.slice(2);

const PAUSED = 'paused@contoso.com';
const HELD = 'held@contoso.com';
const THROTTLED = 'throttled@contoso.com';
const CAREFUL = 'careful@contoso.com';
const DYING = 'dying@contoso.com';
const NEWS = ['news1@contoso.com', 'news2@contoso.com'];
const KEEPER = 'keeper@contoso.com';
const POOL = 'news';
/** Taken out of the configuration before the dump. */
const GONE = 'gone@contoso.com';

/** The mails are the shop's, which sees its own only; the operator sees and may do all. */
const API_KEYS = { shop: 'a-shop-of-the-upgrade-test', operator: 'an-operator-of-the-upgrade-test' };
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
const BODY_KEY = `k:${Buffer.alloc(32, 'upgrade test').toString('base64')}`;
const YAML = `mailboxes:
  - address: ${PAUSED}
  - address: ${HELD}
  - address: ${THROTTLED}
  - address: ${CAREFUL}
    unknown: hold
  - address: ${DYING}
${NEWS.map((address) => `  - address: ${address}\n`).join('')}pools:
  - name: ${POOL}
    mailboxes: [${NEWS.join(', ')}]
    stickyBy: recipient
apiKeys:
  - name: shop
    hash: sha256:${sha256(API_KEYS.shop)}
    scopes: [send, read]
  - name: operator
    hash: sha256:${sha256(API_KEYS.operator)}
    scopes: [send, read, admin]
`;

/** So long that no deferred message is tried again before the dump, and less than the minute that it is old at least. */
const ENV = { BODY_KEYS: `plain,${BODY_KEY}`, RETRY_DELAYS_SECONDS: '40' };
/** As long after the accept. */
const DUE_MS = 50_000;
/** Most of the time for which a dead worker's connections are still its own. */
const UNTIL_LEASE_ENDS_MS = 9_000;
const POLL_MS = 50;

const folder = mkdtempSync(join(tmpdir(), 'relay365-dump-'));
const redis = openRedisServer(folder);
await redis.start();
process.on('exit', () => void redis.end('SIGKILL'));
const sandbox = await openSandbox();
const { exchange } = sandbox;
for (const address of [PAUSED, HELD, THROTTLED, CAREFUL, DYING, ...NEWS, KEEPER]) exchange.addMailbox({ address });

writeFileSync(join(folder, 'ca.pem'), sandbox.caCertificate);
// Not relay365.yaml, which every process here would read.
writeFileSync(join(folder, 'now.yaml'), YAML);
writeFileSync(join(folder, 'before.yaml'), YAML.replace('mailboxes:', `mailboxes:\n  - address: ${GONE}`));
const { PATH = '', HOME = '' } = process.env;
const base: Readonly<Record<string, string>> = {
  ...{ PATH, HOME, HOST: '127.0.0.1', PORT: '0', NODE_EXTRA_CA_CERTS: join(folder, 'ca.pem') },
  AZURE_TENANT_ID: sandbox.mailbox.tenantId,
  AZURE_CLIENT_ID: sandbox.mailbox.clientId,
  AZURE_CLIENT_SECRET: sandbox.mailbox.clientSecret,
  AZURE_AUTHORITY_HOST: sandbox.authorityHost,
  SMTP_HOST: sandbox.smtp.host,
  SMTP_PORT: String(sandbox.smtp.port),
  REDIS_URL: redis.url,
};
const env = { ...base, M365_MAILBOX: sandbox.mailbox.address, CONFIG_FILE: join(folder, 'now.yaml'), ...ENV };

interface Started {
  /** What the line has that says that it is ready. */
  readonly ready: string;
  end(signal: NodeJS.Signals): Promise<unknown>;
}

async function start(file: string, variables: Readonly<Record<string, string>>): Promise<Started> {
  const child = spawn(process.execPath, [resolve(checkout, file)], { cwd: folder, env: variables });
  child.stderr.pipe(process.stderr);
  process.on('exit', () => child.kill('SIGKILL'));
  const ended = once(child, 'exit');
  for await (const line of createInterface(child.stdout)) {
    if (!/(?:API|worker) ready/.test(line)) continue;
    child.stdout.resume();
    const end = (signal: NodeJS.Signals) => {
      child.kill(signal);
      return ended;
    };
    return { ready: line, end };
  }
  throw new Error(`${file} ended before it was ready.`);
}

async function startApi(more: Readonly<Record<string, string>> = {}): Promise<Started & { readonly url: string }> {
  const api = await start('src/api.ts', { ...env, ...more });
  return { ...api, url: /http:\/\/[\d.]+:\d+/.exec(api.ready)?.[0] ?? '' };
}

// biome-ignore lint/suspicious/noExplicitAny: the answers of many routes.
async function request(url: string, method: string, body?: string | FormData, headers = {}): Promise<any> {
  const authorization = `Bearer ${/\/send/.test(url) ? API_KEYS.shop : API_KEYS.operator}`;
  const response = await fetch(url, { method, ...(body && { body }), headers: { authorization, ...headers } });
  if (!response.ok) throw new Error(`${method} ${url}: ${response.status} ${await response.text()}`);
  return response.json();
}

const api = await startApi();
const encrypting = await startApi({ BODY_KEYS: `${BODY_KEY},plain` });
const former = await startApi({ CONFIG_FILE: join(folder, 'before.yaml') });
const hurried = await startApi({ MESSAGE_TTL_HOURS: '0.001' });

const JSON_TYPE = { 'content-type': 'application/json' };
const sent: (Pick<DumpedMessage, 'title' | 'goesOn' | 'holds'> & { readonly id: string })[] = [];
const requests: DumpedRequest[] = [];

const note = (id: string, title: string, goesOn: DumpedMessage['goesOn'], more: readonly string[] = []) =>
  sent.push({ id, title, goesOn, holds: [`Subject: ${title}`, `This is ${title}.`, ...more] });

/** Each has a recipient of its own, by which the exchange is made to misbehave. */
const mailOf = (title: string, more = {}) => ({
  to: `${title.replaceAll(' ', '.')}@example.com`,
  subject: title,
  text: `This is ${title}.`,
  ...more,
});

async function send(title: string, goesOn: DumpedMessage['goesOn'], more = {}, { url } = api): Promise<string> {
  const { id } = await request(`${url}/send`, 'POST', JSON.stringify(mailOf(title, more)), JSON_TYPE);
  note(id, title, goesOn);
  return id;
}

async function sendOnce(path: string, key: string, titles: readonly string[]): Promise<void> {
  const mails = titles.map((title) => mailOf(title));
  const body = path === '/send' ? { ...mails[0] } : { messages: mails };
  const headers = { ...JSON_TYPE, 'idempotency-key': key };
  const answer = await request(`${api.url}${path}`, 'POST', JSON.stringify(body), headers);
  const ids: string[] = [answer].flatMap((one) => one.results ?? one).map(({ id }) => id);
  for (const [i, id] of ids.entries()) note(id, titles[i] ?? '', 'by itself');
  requests.push({ path, key, body, ids });
}

async function until(id: string, status: string): Promise<void> {
  while ((await request(`${api.url}/messages/${id}`, 'GET')).status !== status) await delay(POLL_MS);
}

async function untilTried(id: string, outcome: string): Promise<void> {
  const isTried = (answer: DumpedMessage['answer']) => answer.attempts.some((attempt) => attempt.outcome === outcome);
  while (!isTried(await request(`${api.url}/messages/${id}`, 'GET'))) await delay(POLL_MS);
}

const BUSY = '450 4.2.1 Mailbox is busy';
const TOO_MUCH = '451 4.7.500 Server busy. Please try again later.';
const UNKNOWN_USER = '550 5.1.1 User unknown';
const refuse = (title: string, reply: string) =>
  exchange.script({ stage: 'rcpt', recipient: mailOf(title).to, reply, times: Number.POSITIVE_INFINITY });
const hang = (title: string, stage: 'data' | 'end') =>
  exchange.script({ stage, recipient: mailOf(title).to, accept: true, delayMs: Number.POSITIVE_INFINITY });
const loseReply = (title: string) =>
  exchange.script({ stage: 'end', recipient: mailOf(title).to, accept: true, drop: true });

async function finishSome(): Promise<void> {
  refuse('a failed one', UNKNOWN_USER);
  refuse('one that failed and is retried', UNKNOWN_USER);
  refuse('a recipient that is unknown', UNKNOWN_USER);
  const canceled = await send('a canceled one', 'over', { mailbox: PAUSED });
  await request(`${api.url}/messages/${canceled}`, 'DELETE');
  const partly = [mailOf('a sent one in part').to, mailOf('a recipient that is unknown').to];
  await Promise.all([
    send('a sent one', 'over').then((id) => until(id, 'sent')),
    send('a sent one in part', 'over', { to: partly }).then((id) => until(id, 'sent')),
    send('a failed one', 'over').then((id) => until(id, 'failed')),
    send('one that failed and is retried', 'by itself').then((id) => until(id, 'failed')),
    send('an expired one', 'over', { mailbox: PAUSED }, hurried).then((id) => until(id, 'expired')),
  ]);
}

async function deferSome(): Promise<void> {
  refuse('a deferred one', BUSY);
  refuse('a recipient that is deferred', BUSY);
  refuse('a throttled one', TOO_MUCH);
  for (const title of ['an unknown one', 'an unknown one of the pool', 'an unknown one that waits']) loseReply(title);
  exchange.setMailbox(HELD, { smtpAuthDisabled: true });
  const partly = [mailOf('a deferred one in part').to, mailOf('a recipient that is deferred').to];
  await Promise.all([
    send('a deferred one', 'by itself').then((id) => until(id, 'deferred')),
    send('a deferred one in part', 'by itself', { to: partly }).then((id) => until(id, 'deferred')),
    send('an unknown one', 'by itself').then((id) => until(id, 'deferred')),
    send('an unknown one of the pool', 'by itself', { mailbox: POOL }).then((id) => until(id, 'deferred')),
    send('an unknown one that waits', 'after retry', { mailbox: CAREFUL }).then((id) => until(id, 'held')),
    send('a throttled one', 'by itself', { mailbox: THROTTLED }).then((id) => untilTried(id, 'throttled')),
    send('a held one', 'by itself', { mailbox: HELD }).then((id) => until(id, 'held')),
    send('another held one', 'by itself', { mailbox: HELD }).then((id) => until(id, 'held')),
  ]);
}

/** What a worker has in hand when it is killed: before and after the final dot. */
async function claimSome(): Promise<void> {
  hang('a claimed one', 'data');
  hang('a claimed one that Exchange took', 'end');
  hang('a claimed one of the pool', 'end');
  await Promise.all([
    send('a claimed one', 'by itself', { mailbox: DYING }).then((id) => until(id, 'sending')),
    send('a claimed one that Exchange took', 'by itself', { mailbox: DYING }).then((id) => until(id, 'sending')),
    send('a claimed one of the pool', 'by itself', { mailbox: POOL }).then((id) => until(id, 'sending')),
  ]);
}

const NOTE = Buffer.from('An attachment of the old version.');
const DOT = 'R0lGODlhAQABAAAAACw=';

async function sendForm(title: string): Promise<void> {
  const form = new FormData();
  for (const [name, value] of Object.entries(mailOf(title))) form.set(name, String(value));
  form.set('attachments', new File([NOTE], 'note.txt', { type: 'text/plain' }));
  note((await request(`${api.url}/send`, 'POST', form)).id, title, 'by itself', [NOTE.toString('base64')]);
}

async function sendRaw(title: string): Promise<void> {
  const { to, subject, text } = mailOf(title);
  const header = ['Message-ID: <raw@shop.example>', `From: ${sandbox.mailbox.address}`, `To: ${to}`];
  const mail = [...header, `Subject: ${subject}`, '', text, ''].join('\r\n');
  const type = { 'content-type': 'message/rfc822' };
  note((await request(`${api.url}/send`, 'POST', mail, type)).id, title, 'by itself');
}

async function sendRich(title: string): Promise<void> {
  const more = {
    ...{ cc: 'Grüße <cc@example.com>', bcc: 'bcc@example.com', replyTo: 'reply@example.com' },
    ...{ html: '<p>This is <img src="cid:dot"></p>', headers: { 'X-Order': '4711' }, metadata: { order: '4711' } },
    attachments: [{ filename: 'dot.gif', content: DOT, contentId: 'dot' }],
  };
  const { id } = await request(`${api.url}/send`, 'POST', JSON.stringify(mailOf(title, more)), JSON_TYPE);
  note(id, title, 'by itself', ['X-Order: 4711', DOT]);
}

/** Accepted while no worker is there for them. */
async function queueSome(): Promise<void> {
  for (const priority of ['low', 'normal', 'high'])
    for (const n of [1, 2]) await send(`${priority} ${n}`, 'by itself', { priority });
  for (const n of [1, 2]) await send(`paused ${n}`, 'after resume', { mailbox: PAUSED });
  for (const n of [1, 2, 3]) await send(`pool ${n}`, 'by itself', { mailbox: POOL });
  await send('one behind the claimed ones', 'by itself', { mailbox: DYING });
  const due = new Date(Date.now() + DUE_MS).toISOString();
  await send('a scheduled one', 'by itself', { sendAt: due });
  await send('one whose time ends', 'to its end', { mailbox: PAUSED, expiresAt: due });
  await send('one whose mailbox is gone', 'with its mailbox', { mailbox: GONE }, former);
  await send('an encrypted one', 'by itself', {}, encrypting);
  await sendRich('one with everything');
  await sendForm('one from a form');
  await sendRaw('a raw one');
  await sendOnce('/send', 'order-4711', ['one with a key']);
  await sendOnce('/send/batch', 'orders-of-today', ['batch 1', 'batch 2']);
  const failed = sent.find(({ title }) => title === 'one that failed and is retried');
  await request(`${api.url}/messages/${failed?.id}/retry`, 'POST');
}

/** BullMQ takes a job for stalled when two checks see it active: the first one is the killed worker's own. */
async function untilSeenActive(jobs: number): Promise<void> {
  const seen = async () => Promise.all((await redis.client.keys('*:stalled')).map((name) => redis.client.scard(name)));
  while ((await seen()).reduce((sum, count) => sum + count, 0) < jobs) await delay(POLL_MS);
}

async function describe({ id, ...rest }: (typeof sent)[number]): Promise<DumpedMessage> {
  const answer: DumpedMessage['answer'] = await request(`${api.url}/messages/${id}`, 'GET');
  const takenBefore = exchange.messages.filter(({ messageId }) => messageId === answer.messageId).length;
  const { status, mailbox, messageId, recipients, attempts } = answer;
  const outcomes = attempts.map(({ outcome }) => ({ outcome }));
  const some = { id, status, mailbox, messageId, recipients, attempts: outcomes };
  return { ...rest, takenBefore, answer: rest.goesOn === 'over' ? answer : some };
}

async function describeMailboxes(): Promise<DumpedMailbox[]> {
  const { items } = await request(`${api.url}/mailboxes`, 'GET');
  // biome-ignore lint/suspicious/noExplicitAny: as the route answers.
  return items.map(({ id, usage }: any) => ({ id, recipientsPerDay: usage.recipientsPerDay.used }));
}

await request(`${api.url}/mailboxes/${PAUSED}/pause`, 'POST');
const worker = await start('src/worker.ts', env);
await finishSome();
await deferSome();
await claimSome();
await untilSeenActive(3);
await worker.end('SIGKILL');

// It sends nothing of these messages: it is there for the clock that leases go by, which stands still without a worker.
const keeper = await start('src/worker.ts', { ...base, M365_MAILBOX: KEEPER });
await Promise.all([queueSome(), delay(UNTIL_LEASE_ENDS_MS)]);
await keeper.end('SIGTERM');

const messages = await Promise.all(sent.map(describe));
for (const { title, goesOn, answer } of messages)
  if (goesOn !== 'over' && answer.status === 'sent') throw new Error(`The dump comes too late: ${title} is sent.`);
const mailboxes = await describeMailboxes();
await Promise.all([api, encrypting, former, hurried].map((one) => one.end('SIGTERM')));
const takenAt = Date.now();
const keys = await readKeys(redis.client);
await redis.close();
await sandbox.close();
rmSync(folder, { recursive: true, force: true });

const version = execFileSync('git', ['-C', checkout, 'rev-parse', '--short=7', 'HEAD'], { encoding: 'utf8' }).trim();
const file = join(import.meta.dirname, 'dumps', `${version}.jsonl`);
const configuration = { env: ENV, yaml: YAML, apiKeys: API_KEYS, pausedMailbox: PAUSED };
writeFileSync(file, encodeDump({ version, takenAt, ...configuration, mailboxes, requests, messages, keys }));
console.log(`${file}: ${messages.length} messages, ${keys.length} keys`);
