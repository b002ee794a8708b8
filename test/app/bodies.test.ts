/** Mails as forms with files, and ready mails made by other programs: they must arrive byte-true. */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import { simpleParser } from 'mailparser';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { temporaryFile } from '../helpers/process.ts';
import { startTestRedis, type TestRedis } from '../helpers/redis.ts';
import { type Answer, isFinal, openTestService, type TestService } from '../helpers/service.ts';

let redis: TestRedis;
beforeAll(async () => {
  redis = await startTestRedis();
});
afterAll(() => redis.close());

const open = (options: Partial<Parameters<typeof openTestService>[0]> = {}) =>
  openTestService({ location: redis.location, ...options });
const run = promisify(execFile);

/** What Exchange took last, as it came. */
function lastRaw({ sandbox }: TestService): Buffer {
  const last = sandbox.exchange.messages.at(-1);
  return Buffer.from(sandbox.exchange.rawMessage(last?.n ?? 0) ?? '');
}

async function post(service: TestService, type: string, body: string | Buffer, query = '') {
  const response = await fetch(`${service.url}/send${query}`, {
    method: 'POST',
    headers: { 'content-type': type },
    body: new Uint8Array(Buffer.from(body)),
  });
  return { status: response.status, body: (await response.json()) as Answer['body'] };
}

const EML = [
  'Received: from somewhere by elsewhere; Tue, 24 Nov 2026 01:00:00 +0000',
  'From: "Noreply" <sandbox@relay365.example>',
  'To: =?UTF-8?Q?Zo=C3=AB?= <zoe@example.com>,',
  '  Friends: a@example.com, "B, b" <b@example.com>;',
  'Cc: c@example.com (a comment)',
  'Bcc: hidden@example.com,',
  '\tmore@example.com',
  'Subject: =?ISO-8859-1?Q?Gr=FC=DFe?=',
  'Date: Tue, 24 Nov 2026 02:00:00 +0100',
  'Message-ID: <made-elsewhere@shop.example>',
  'X-Strange:   kept   as it is\t',
  '',
  '.a line that begins with a dot',
  'Grüße 8bit, and a long line: '.padEnd(900, 'x'),
  '',
].join('\r\n');

describe('message/rfc822', () => {
  test('goes to the recipients of every Bcc, though only one is allowed', async () => {
    const service = await open();
    const eml = 'To: a@example.com\r\nBcc: b@example.com\r\nSubject: x\r\nBcc: c@example.com\r\n\r\nx';
    const { body } = await post(service, 'message/rfc822', eml);
    await service.until(body.id, isFinal);
    expect(lastRaw(service).toString()).not.toMatch(/[bc]@example/);
    expect(service.sandbox.exchange.messages[0]?.recipients).toEqual([
      'a@example.com',
      'b@example.com',
      'c@example.com',
    ]);
  });

  test('is sent byte for byte except for Bcc, to all of its recipients', async () => {
    const service = await open();
    const { status, body } = await post(service, 'message/rfc822', EML);
    expect([status, body.messageId]).toEqual([202, '<made-elsewhere@shop.example>']);
    const message = await service.until(body.id, isFinal);
    expect(message).toMatchObject({
      status: 'sent',
      subject: 'Grüße',
      to: [{ name: 'Zoë', address: 'zoe@example.com' }, { address: 'a@example.com' }, { name: 'B, b' }],
      bcc: [{ address: 'hidden@example.com' }, { address: 'more@example.com' }],
    });
    const expected = EML.replace('Bcc: hidden@example.com,\r\n\tmore@example.com\r\n', '');
    expect(lastRaw(service).toString('utf8')).toBe(expected);
    expect(service.sandbox.exchange.messages[0]?.recipients).toEqual([
      'zoe@example.com',
      'a@example.com',
      'b@example.com',
      'c@example.com',
      'hidden@example.com',
      'more@example.com',
    ]);
  });

  test('gets a missing Date, Message-ID and From, and CRLF instead of bare LF and CR', async () => {
    const service = await open();
    const { body } = await post(service, 'message/rfc822', 'To: a@example.com\nSubject: x\n\nOne\rTwo\nThree\r\n');
    await service.until(body.id, isFinal);
    const text = lastRaw(service).toString();
    expect(text).toMatch(
      /^Date: \w{3}, \d\d \w{3} \d{4} [\d:]{8} \+0000\r\nMessage-ID: <[\w-]+@relay365\.example>\r\n/,
    );
    expect(text).toMatch(
      /From: <sandbox@relay365\.example>\r\nTo: a@example\.com\r\nSubject: x\r\n\r\nOne\r\nTwo\r\nThree\r\n$/,
    );
  });

  test('goes only to the recipients of ?to=, when it is given', async () => {
    const service = await open();
    const { body } = await post(
      service,
      'message/rfc822',
      EML,
      '?to=x@example.com,y@example.com&to=z@example.com&priority=high',
    );
    await service.until(body.id, isFinal);
    expect(service.sandbox.exchange.messages[0]?.recipients).toEqual([
      'x@example.com',
      'y@example.com',
      'z@example.com',
    ]);
  });

  test.each([
    ['', 'body'],
    ['<html><body>no mail</body></html>', 'body'],
    ['Subject: x\r\n\r\nnobody', 'to'],
    ['From: stranger@example.com\r\nTo: a@example.com\r\n\r\nx', 'from'],
    ['From: a@relay365.example, b@relay365.example\r\nTo: a@example.com\r\n\r\nx', 'From'],
    ['From: sandbox@relay365.example\r\nFrom: sandbox@relay365.example\r\nTo: a@example.com\r\n\r\nx', 'From'],
    ['To: not an address\r\n\r\nx', 'To'],
    ['To: a@example.com\r\nno field\r\n\r\nx', 'body'],
  ])('%j is refused by name', async (mail, field) => {
    const service = await open({ workers: 0 });
    const { body } = await post(service, 'message/rfc822', mail);
    expect(body.errors.map((error: { field: string }) => error.field)).toContain(field);
  });

  test('made by Python, with an attachment, arrives as Python made it', async () => {
    const service = await open();
    const script = [
      'from email.message import EmailMessage',
      'import sys',
      'm = EmailMessage()',
      'm["From"] = "sandbox@relay365.example"; m["To"] = "zoë <zoe@example.com>"; m["Subject"] = "Ünïcode"',
      'm.set_content("Grüße\\n.\\n..\\nFrom the start\\n")',
      'm.add_attachment(bytes(range(256)) * 100, maintype="application", subtype="octet-stream", filename="ä.bin")',
      'sys.stdout.buffer.write(m.as_bytes())',
    ].join('\n');
    const { stdout } = await run('python3', ['-c', script], { encoding: 'buffer' });
    const { status, body } = await post(service, 'message/rfc822', stdout);
    expect(status).toBe(202);
    await service.until(body.id, isFinal);
    const { attachments, text, subject } = await simpleParser(lastRaw(service));
    expect([text, subject]).toEqual(['Grüße\n.\n..\nFrom the start\n', 'Ünïcode']);
    expect(
      attachments[0]?.content.equals(Buffer.alloc(25_600, Buffer.from(Array.from({ length: 256 }, (_, i) => i)))),
    ).toBe(true);
  });

  test('is refused with everything that is wrong in its query and its header', async () => {
    const service = await open({ workers: 0 });
    const query = '?to=nobody&mailbox=x@example.com&priority=now&sendAt=later&expiresAt=never&cc=a@example.com';
    const { status, body } = await post(service, 'message/rfc822', 'From: nobody\r\n\r\nx', query);
    expect([status, new Set(body.errors.map((error: { field: string }) => error.field))]).toEqual([
      422,
      new Set(['?priority', '?cc', 'From', 'to', 'sendAt', 'expiresAt', 'mailbox']),
    ]);
  });

  test('has query parameters that JSON does not', async () => {
    const service = await open({ workers: 0 });
    const { status, body } = await service.request('POST', '/send?to=a@example.com', {
      to: 'a@example.com',
      text: 'x',
    });
    expect([status, body.errors[0].field]).toEqual([422, '?to']);
  });

  test('with the same bytes and Idempotency-Key is queued once', async () => {
    const service = await open({ workers: 0 });
    const headers = { 'content-type': 'message/rfc822', 'idempotency-key': 'k' };
    const send = (body: string) => fetch(`${service.url}/send`, { method: 'POST', headers, body });
    expect((await send(EML)).status).toBe(202);
    expect((await send(EML)).headers.get('idempotent-replayed')).toBe('true');
    expect((await send(`${EML} `)).status).toBe(422);
  });
});

describe('an international address', () => {
  const TO = { name: 'Jörg', address: 'jörg@bücher.example' };
  const ASCII = 'jörg@xn--bcher-kva.example';

  test('in JSON is sent unchanged before the @, and by IDNA after it, in envelope and header', async () => {
    const service = await open();
    const id = await service.send({ to: TO, cc: '用户@例え.example', replyTo: 'antwort@bücher.example' });
    const { status, to } = await service.until(id, isFinal);
    expect([status, to]).toEqual(['sent', [{ name: 'Jörg', address: ASCII }]]);
    expect(service.sandbox.exchange.messages[0]?.recipients).toEqual([ASCII, '用户@xn--r8jz45g.example']);
    const mail = await simpleParser(lastRaw(service));
    expect([mail.to, mail.cc, mail.replyTo].map((list) => [list].flat()[0]?.value)).toEqual([
      // mailparser reads IDNA back.
      [TO],
      [{ name: '', address: '用户@例え.example' }],
      [{ name: '', address: 'antwort@bücher.example' }],
    ]);
  });

  test('in a raw message stays unchanged in the header', async () => {
    const service = await open();
    const mail = `From: sandbox@relay365.example\r\nTo: Jörg <${TO.address}>\r\nDate: Tue, 24 Nov 2026 02:00:00 +0100\r\nMessage-ID: <a@x.example>\r\nSubject: Grüße\r\n\r\nGrüße\r\n`;
    const { body } = await post(service, 'message/rfc822', mail);
    expect(await service.until(body.id, isFinal)).toMatchObject({
      status: 'sent',
      subject: 'Grüße',
      to: [{ name: 'Jörg' }],
    });
    expect(service.sandbox.exchange.messages[0]?.recipients).toEqual([ASCII]);
    expect(lastRaw(service).toString('utf8')).toBe(mail);
  });

  test('with text in any charset is sent byte for byte', async () => {
    const service = await open();
    const head =
      'From: sandbox@relay365.example\r\nTo: a@example.com\r\nDate: Tue, 24 Nov 2026 02:00:00 +0100\r\nMessage-ID: <b@x.example>\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: 8bit\r\n\r\n';
    const bytes = Buffer.concat([Buffer.from(head), Buffer.from([0x47, 0x72, 0xfc, 0xdf, 0x65, 0x0d, 0x0a])]);
    const { body } = await post(service, 'message/rfc822', bytes);
    await service.until(body.id, isFinal);
    expect(lastRaw(service).equals(bytes)).toBe(true);
  });
});

/** What a mailbox of 1 MB may send. */
const SMALL = 'mailboxes:\n  - address: sandbox@relay365.example\n    limits: { messageSizeMegabytes: 1 }\n';

describe('multipart/form-data', () => {
  test('of curl -F with files arrives byte for byte', async () => {
    const service = await open();
    const bytes = randomBytes(3 * 1024 ** 2);
    const file = temporaryFile('report.bin', bytes);
    const logo = temporaryFile('logo.png', 'not really');
    const fields = ['to=a@example.com', 'to=Zoë <zoe@example.com>', 'subject=Grüße', 'text=Please read.'];
    fields.push('html=<p><img src="cid:logo.png"></p>', 'metadata={"order":"4711"}', 'priority=high');
    const files = [`attachments=@${file};filename=Bericht ä.bin`, `inline=@${logo};type=image/png`];
    const form = [...fields.flatMap((field) => ['--form-string', field]), ...files.flatMap((one) => ['-F', one])];
    const { stdout } = await run('curl', ['-sS', `${service.url}/send`, ...form]);
    const answer = JSON.parse(stdout);
    const message = await service.until(answer.id, isFinal);
    expect(message).toMatchObject({ status: 'sent', metadata: { order: '4711' }, to: [{}, { name: 'Zoë' }] });
    const { attachments, subject, text } = await simpleParser(lastRaw(service), { keepCidLinks: true });
    expect([subject, text]).toEqual(['Grüße', 'Please read.']);
    const byName = (name: string) => attachments.find(({ filename }) => filename === name);
    expect(byName('Bericht ä.bin')?.content.equals(bytes)).toBe(true);
    expect(byName('logo.png')).toMatchObject({ cid: 'logo.png', contentType: 'image/png' });
  });

  test.each([
    [{ to: 'nobody' }, ['to', 'text']],
    [{ to: 'a@example.com', text: 'x', sujbect: 'x' }, ['sujbect']],
    [{ to: 'a@example.com', text: 'x', metadata: 'no json' }, ['metadata']],
    [{ to: 'a@example.com', text: 'x', headers: '{"__proto__":{"x":"y"},"From":"x@y"}' }, ['headers.From']],
    [{ to: 'a@example.com', text: 'x', priority: 'now' }, ['priority']],
  ])('%j is refused by name', async (fields, wanted) => {
    const service = await open({ workers: 0 });
    const form = new FormData();
    for (const [name, value] of Object.entries(fields)) form.append(name, value);
    const response = await fetch(`${service.url}/send`, { method: 'POST', body: form });
    const body = (await response.json()) as { errors: { field: string }[] };
    expect([response.status, body.errors.map(({ field }) => field)]).toEqual([422, wanted]);
  });

  test('with a file under another name or a repeated field is refused', async () => {
    const service = await open({ workers: 0 });
    const form = new FormData();
    form.append('to', 'a@example.com');
    form.append('text', 'x');
    form.append('text', 'y');
    form.append('file', new Blob(['x']), 'x.txt');
    const response = await fetch(`${service.url}/send`, { method: 'POST', body: form });
    const body = (await response.json()) as { errors: { field: string }[] };
    expect([response.status, body.errors.map(({ field }) => field)]).toEqual([422, ['text', 'file']]);
  });

  test('accepts an object with the content type of JSON', async () => {
    const service = await open({ workers: 0 });
    const json = 'metadata={"order":"4711"};type=application/json';
    const form = ['to=a@example.com', 'text=x', json, 'cc=["b@example.com","c@example.com"];type=application/json'];
    const { stdout } = await run('curl', ['-sS', `${service.url}/send`, ...form.flatMap((one) => ['-F', one])]);
    const { body } = await service.request('GET', `/messages/${JSON.parse(stdout).id}`);
    expect(body).toMatchObject({ metadata: { order: '4711' }, cc: [{ address: 'b@example.com' }, {}] });
  });

  test('of a browser may contain empty fields', async () => {
    const service = await open({ workers: 0 });
    const form = new FormData();
    const empty = ['from', 'cc', 'replyTo', 'html', 'headers', 'calendar', 'importance', 'mailbox', 'sendAt'];
    for (const name of [...empty, 'attachments']) form.append(name, '');
    for (const name of ['attachments', 'inline']) form.append(name, new Blob([]), '');
    form.append('to', '');
    form.append('to', 'a@example.com');
    form.append('text', 'x');
    const response = await fetch(`${service.url}/send`, { method: 'POST', body: form });
    const { id } = (await response.json()) as { id: string };
    expect(response.status).toBe(202);
    expect((await service.request('GET', `/messages/${id}`)).body).toMatchObject({
      to: [{ address: 'a@example.com' }],
      cc: [],
    });
  });

  test.each(['attachments', 'inline'])('%s that is not a file is refused, with how to send one', async (name) => {
    const service = await open({ workers: 0 });
    const form = new FormData();
    form.append('to', 'nobody');
    form.append('text', 'x');
    form.append(name, 'report.pdf');
    const response = await fetch(`${service.url}/send`, { method: 'POST', body: form });
    expect(await response.json()).toMatchObject({
      errors: [{ field: name, message: `Expected a file. With curl: -F ${name}=@PATH` }, { field: 'to' }],
    });
  });

  test.each(['with its length', 'in chunks'])('with fields that are too large together is refused: %s', async (how) => {
    const service = await open({ workers: 0, yaml: SMALL });
    const form = new FormData();
    form.append('to', 'a@example.com');
    for (let n = 0; n < 6; n += 1) form.append('text', 'x'.repeat(1024 ** 2));
    const { headers, body } = new Response(form);
    const chunked = { body, duplex: 'half' as const, headers: { 'content-type': headers.get('content-type') ?? '' } };
    const sized = { body: form };
    const response = await fetch(`${service.url}/send`, { method: 'POST', ...(how === 'in chunks' ? chunked : sized) });
    expect(response.status).toBe(413);
    expect(await response.json()).toMatchObject({
      type: 'urn:relay365:problem:body-too-large',
      sizeBytesMax: 2_621_440,
      ...(how !== 'in chunks' && { sizeBytes: expect.any(Number) }),
    });
    expect((await service.request('GET', '/health/live')).status).toBe(200);
  });

  test('that is larger than any mailbox may send is refused while it streams in', async () => {
    const service = await open({
      workers: 0,
      yaml: SMALL,
    });
    const form = new FormData();
    form.append('to', 'a@example.com');
    form.append('attachments', new Blob([randomBytes(4 * 1024 ** 2)]), 'large.bin');
    const response = await fetch(`${service.url}/send`, { method: 'POST', body: form });
    expect(response.status).toBe(413);
  });
});
