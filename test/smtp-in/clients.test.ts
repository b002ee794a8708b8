/** Real clients, with the settings of docs/clients.md, under TLS: what Exchange gets is what they wrote. */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { simpleParser } from 'mailparser';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { codeBlocks } from '../docs/markdown.ts';
import { runToEnd } from '../examples/process.ts';
import { INSTALL_TIMEOUT_MS, installPackages } from '../helpers/debian.ts';
import { ROOT, temporaryFolder } from '../helpers/process.ts';
import { startTestRedis, type TestRedis } from '../helpers/redis.ts';
import { type BlocksUnder, MAIL_CLIENTS, type MailClient } from './mail-clients.ts';
import { KEY, MAILBOX, openSmtpService, type SmtpService } from './service.ts';

const PAGE = readFileSync(join(ROOT, 'docs/clients.md'), 'utf8');
const SMTP_PAGE = readFileSync(join(ROOT, 'docs/smtp.md'), 'utf8');
const BLOCKS = codeBlocks(PAGE);
const CLIENT_TIMEOUT_MS = 60_000;

/** Not ASCII, longer than a line may be, and a dot where SMTP ends a mail. */
const TEXT = `.Gr\u00fc\u00dfe aus K\u00f6ln =2E ${'long '.repeat(300)}\u{1f600}`;
const HEAD = ['To: someone@example.com', 'Subject: Hello', 'Date: Wed, 25 Nov 2026 10:00:00 +0100'];
const BODY = [
  '.',
  '..two',
  `.${'x'.repeat(900)}`,
  'Gr\u00fc\u00dfe \u{1f600}',
  '\ttab and spaces  ',
  '',
  'From here on',
  '',
];
const TYPE = ['MIME-Version: 1.0', 'Content-Type: text/plain; charset=utf-8', 'Content-Transfer-Encoding: 8bit'];
const ABOVE = [`From: ${MAILBOX}`, ...HEAD, 'Message-ID: <one@client.example>'];

let redis: TestRedis;
let whyMissing: string | undefined;
beforeAll(async () => {
  redis = await startTestRedis();
  const missing = MAIL_CLIENTS.filter((client) => !isHere(client));
  if (missing.length > 0) whyMissing = await installPackages([...new Set(missing.flatMap(({ packages }) => packages))]);
}, INSTALL_TIMEOUT_MS);
afterAll(() => redis.close());

test('docs/clients.md has the settings of each client, and says which are run', () => {
  const [, ...sections] = PAGE.split('\n### ');
  const run = sections.filter((section) => /_run by the tests[._]/i.test(section));
  expect(run.map((section) => section.split('\n')[0]).sort()).toEqual(MAIL_CLIENTS.map(({ name }) => name).sort());
});

describe('a mail of', () => {
  test.for(MAIL_CLIENTS)(
    '$name comes to Exchange as it was written',
    { timeout: CLIENT_TIMEOUT_MS },
    async (client, { skip }) => {
      if (!isHere(client)) {
        const reason = `${client.name} is not here: ${whyMissing ?? 'Debian does not have it'}`;
        process.stderr.write(`Not run: ${reason}\n`);
        skip(reason);
      }
      const service = await openSmtpService({ location: redis.location, workers: 1 });
      const ended = await run(client, service);
      expect(ended, JSON.stringify(ended)).toMatchObject({ code: 0 });
      await expect.poll(async () => (await service.list()).body.items, { timeout: 20_000 }).toHaveLength(1);
      const [{ id }] = (await service.list()).body.items;
      expect(await service.untilFinal(id)).toMatchObject({ status: 'sent', subject: 'Hello', mailbox: MAILBOX });
      if (client.tellsId) expect(ended.stdout).toContain(id);
      await checkArrived(client, service, id);
    },
  );
});

describe('a device', () => {
  test('that knows neither TLS nor a login, and has an address of its own, sends by two lines of the page', async ({
    skip,
  }) => {
    if (spawnSync('curl', ['--version']).status !== 0) skip('curl is not here');
    const [name = '', value = ''] = firstUnder('Devices without TLS or passwords').split(/=(.*)/);
    const yaml = firstUnder('Senders like scanner@local');
    const env = { API_KEYS: `printer:${KEY.pass}`, [name]: value.replace('192.168.10.21', '127.0.0.1') };
    const service = await openSmtpService({ location: redis.location, workers: 1, yaml, env });
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'scan.eml'), `From: Scanner <scanner@local>\r\nSubject: Scan\r\n\r\nA page.\r\n`);
    const envelope = ['--mail-from', 'scanner@local', '--mail-rcpt', 'someone@example.com'];
    const url = `smtp://localhost:${service.port}`;
    const ended = await runToEnd(['curl', '--url', url, ...envelope, '--upload-file', 'scan.eml'], {}, folder);
    expect(ended, JSON.stringify(ended)).toMatchObject({ code: 0 });
    const [{ id }] = (await service.list()).body.items;
    expect(await service.untilFinal(id)).toMatchObject({ status: 'sent', subject: 'Scan' });
    const raw = service.sandbox.exchange.messages[0]?.raw.toString() ?? '';
    expect(raw).toContain(`From: "Scanner" <${MAILBOX}>`);
    expect(raw).toContain('Reply-To: "Scanner" <scanner@local>');
  });
});

function firstUnder(name: string): string {
  return codeBlocks(SMTP_PAGE).find(({ heading }) => heading === name)?.text ?? '';
}

function isHere({ probe: [program, ...args] }: MailClient): boolean {
  return spawnSync(program, args).status === 0;
}

async function run(client: MailClient, service: SmtpService) {
  const folder = temporaryFolder();
  const ca = join(folder, 'ca.pem');
  writeFileSync(ca, service.sandbox.caCertificate);
  writeFileSync(join(folder, 'mail.eml'), [...ABOVE, 'Bcc: archive@example.com', ...TYPE, '', ...BODY].join('\n'));
  const under: BlocksUnder = (name) =>
    BLOCKS.filter(({ heading }) => heading === name).map(({ text }) => localized(text, service, ca));
  const command = client.prepare(under(client.name), folder, under);
  const trust = { SSL_CERT_FILE: ca, CURL_CA_BUNDLE: ca, NODE_EXTRA_CA_CERTS: ca };
  const home = { HOME: folder, MAILRC: join(folder, '.mailrc'), LC_ALL: 'C.UTF-8' };
  return runToEnd(command, { ...trust, ...home, MAIL_TEXT: TEXT }, folder);
}

/** The page's text for the service that runs here. */
function localized(text: string, { port }: SmtpService, ca: string): string {
  return text
    .replaceAll('relay365.contoso.com', 'localhost')
    .replaceAll('587', String(port))
    .replaceAll('YOUR_KEY', KEY.pass)
    .replaceAll('noreply@contoso.com', MAILBOX)
    .replaceAll('/etc/ssl/certs/ca-certificates.crt', ca)
    .replaceAll('It works.', TEXT);
}

async function checkArrived({ isRaw }: MailClient, { sandbox }: SmtpService, id: string): Promise<void> {
  const [message, ...others] = sandbox.exchange.messages;
  expect(others).toEqual([]);
  expect(message?.recipients.toSorted()).toEqual(['archive@example.com', 'someone@example.com']);
  const raw = message?.raw ?? Buffer.alloc(0);
  // With TLS and a login: RFC 3848.
  expect(raw.toString()).toMatch(new RegExp(`^Received: .*\\r\\n\\tby relay365 with ESMTPSA id ${id};`));
  expect(raw.toString()).not.toContain('archive@example.com');
  if (isRaw) expect(raw.toString()).toContain(`\n${[...ABOVE, ...TYPE, '', ...BODY].join('\r\n')}`);
  else expect((await simpleParser(raw)).text?.trim()).toBe(TEXT);
}
