#!/usr/bin/env node
/**
 * Sends a mail with an attachment through relay365 and waits until Exchange has taken it. Needs Node 18 or newer.
 *
 *     RELAY365_URL=http://localhost:3000 RELAY365_KEY=... node send.mjs TO FILE
 */
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const { RELAY365_URL: url = 'http://localhost:3000', RELAY365_KEY: key } = process.env;
const FINAL = ['sent', 'failed', 'expired', 'canceled'];
const WAIT_MS = 30_000;

/** The answer's JSON. @throws Error that names each field that is wrong. */
async function call(method, path, body) {
  const answer = await fetch(url + path, {
    method,
    headers: { ...(key && { authorization: `Bearer ${key}` }), ...(body && { 'content-type': 'application/json' }) },
    body: body && JSON.stringify(body),
    signal: AbortSignal.timeout(30_000),
  });
  if (answer.ok) return answer.json();
  const { title, detail = '', errors = [] } = await answer.json();
  const lines = errors.map(({ field, message }) => `  ${field}: ${message}`);
  throw new Error([`${answer.status} ${title}: ${detail}`, ...lines].join('\n'));
}

async function send(to, file) {
  const content = await readFile(file, 'base64');
  const { id } = await call('POST', '/send', {
    to,
    subject: 'Invoice 4711 – Müller GmbH',
    text: 'The invoice is attached.',
    attachments: [{ filename: basename(file), content }],
  });
  return id;
}

/** The message once it is final, or as it is when the time is up. */
async function wait(id) {
  const deadline = Date.now() + WAIT_MS;
  for (;;) {
    const message = await call('GET', `/messages/${id}`);
    if (FINAL.includes(message.status) || Date.now() > deadline) return message;
    await sleep(1_000);
  }
}

async function main([to, file]) {
  if (!to || !file) throw new Error('usage: send.mjs TO FILE');
  const id = await send(to, file);
  console.log(`accepted: ${id}`);
  const { status, attempts } = await wait(id);
  console.log(status);
  if (status !== 'sent') throw new Error(attempts.at(-1)?.explanation ?? 'relay365 goes on trying.');
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error.cause ? `${error.message}: ${error.cause.message}` : error.message);
  process.exitCode = 1;
});
