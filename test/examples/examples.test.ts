import { randomBytes } from 'node:crypto';
import { readdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { simpleParser } from 'mailparser';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { FOUND, type Language, LANGUAGES, MISSING, ROOT } from './languages.ts';
import { type Ended, runToEnd, type Service, startService, temporaryFolder } from './process.ts';

const KEY = 'a-secret-of-the-examples';
/** Not ASCII, and with what JSON must escape. */
const FILENAME = 'Rechnung für "Müller".pdf';
/** Larger than an argument of a program can be. */
const ATTACHMENT = randomBytes(300_000);
const COMPILER_TIMEOUT_MS = 60_000;

let service: Service;
beforeAll(async () => {
  if (MISSING.length > 0)
    tell(`No runtime here, so not run: the examples in ${MISSING.map(({ name }) => name).join(', ')}.`);
  service = await startService({ API_KEYS: `examples:${KEY}` });
}, COMPILER_TIMEOUT_MS);
afterAll(() => service.close());

test('every example is in the list of languages', () => {
  const files = readdirSync(join(ROOT, 'examples'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /^send\w*\.(?!csproj$)\w+$/i.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name));
  expect(files.sort()).toEqual(LANGUAGES.map(({ example }) => join(ROOT, example)).sort());
});

describe.each(FOUND)('the example in $name', (language) => {
  test(
    'sends the attachment byte for byte and ends when the mail is sent',
    async () => {
      const ended = await send(language, 'someone@example.com');
      expect(ended).toMatchObject({ code: 0, stderr: '' });
      const [, id] = /^accepted: ([\w-]+)\r?\nsent\r?\n$/.exec(ended.stdout) ?? [];
      const mail = await received(id);
      expect(mail.subject).toBe('Invoice 4711 – Müller GmbH');
      expect(mail.text?.trim()).toBe('The invoice is attached.');
      expect(mail.attachments.map(({ filename }) => filename)).toEqual([FILENAME]);
      expect(mail.attachments[0]?.content.equals(ATTACHMENT)).toBe(true);
    },
    COMPILER_TIMEOUT_MS,
  );

  test(
    'names the field that is refused',
    async () => {
      const ended = await send(language, 'no "address');
      expect(ended.code).toBeGreaterThan(0);
      expect(ended.stdout).toBe('');
      expect(ended.stderr).toMatch(/\bto\b.*is not an address like name@example\.com/);
    },
    COMPILER_TIMEOUT_MS,
  );

  test(
    'says when the key is wrong',
    async () => {
      const ended = await send(language, 'someone@example.com', { RELAY365_KEY: 'another' });
      expect(ended.code).toBeGreaterThan(0);
      expect(ended.stderr).toMatch(/401.*API key|API key.*401/);
    },
    COMPILER_TIMEOUT_MS,
  );

  test(
    'waits for the end and says why a mail failed',
    async () => {
      const statuses = ['queued', 'deferred', 'failed'];
      const url = await answering((method) => ({
        id: 'an-id',
        status: method === 'POST' ? 'queued' : statuses.shift(),
        attempts: [{ explanation: 'Exchange does not like it.' }],
      }));
      const ended = await send(language, 'someone@example.com', { RELAY365_URL: url });
      expect(ended.code).toBeGreaterThan(0);
      expect(ended.stdout.split(/\r?\n/)).toEqual(['accepted: an-id', 'failed', '']);
      expect(ended.stderr).toContain('Exchange does not like it.');
      expect(statuses).toEqual([]);
    },
    COMPILER_TIMEOUT_MS,
  );
});

function send(
  { example, runExample }: Language,
  to: string,
  variables: Readonly<Record<string, string>> = {},
): Promise<Ended> {
  const folder = temporaryFolder();
  const file = join(folder, FILENAME);
  writeFileSync(file, ATTACHMENT);
  const usual = { RELAY365_URL: service.url, RELAY365_KEY: KEY };
  return runToEnd([...runExample(join(ROOT, example)), to, file], { ...usual, ...variables }, folder);
}

/** The mail that the sandbox's Exchange took for this message. */
async function received(id: string | undefined): Promise<Awaited<ReturnType<typeof simpleParser>>> {
  const { messageId } = (await (await get(`/messages/${id}`)).json()) as { messageId: string };
  const { items } = (await (await get('/sandbox/messages')).json()) as { items: { n: number; messageId: string }[] };
  const n = items.find((item) => item.messageId === messageId)?.n;
  return simpleParser(Buffer.from(await (await get(`/sandbox/messages/${n}.eml`)).arrayBuffer()));
}

function get(path: string): Promise<Response> {
  return fetch(service.url + path, { headers: { authorization: `Bearer ${KEY}` } });
}

/** A service with prepared answers. */
async function answering(answer: (method: string | undefined) => object): Promise<string> {
  const server = createServer((request, response) => {
    request.resume().on('end', () => {
      response.setHeader('content-type', 'application/json');
      response.statusCode = request.method === 'POST' ? 202 : 200;
      response.end(JSON.stringify(answer(request.method)));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Past Vitest, which shows a test's output only now and then. */
function tell(line: string): void {
  process.stderr.write(`${line}\n`);
}
