/** Receives a message by DATA, or in chunks by BDAT (RFC 3030), and answers it. */
import { firstHeader, readHeaders } from './headers.ts';
import * as replies from './replies.ts';
import { pause } from './script.ts';
import type { Answer, SmtpSession } from './smtp-session.ts';
import { checkSubmission, type Submission } from './submission.ts';

const { REPLIES } = replies;

/** A message over the limit is read to its end, but not kept. */
const KEPT_BYTES_MAX = 160 * 1024 * 1024;

/** Reads up to the final dot and answers it. */
export async function receiveData(session: SmtpSession): Promise<void> {
  const { messageSizeBytesMax } = session.limits;
  const data = await session.wait(session.reader.readData(messageSizeBytesMax || KEPT_BYTES_MAX));
  if (!data) return;
  await session.perform('end', () => {
    if (!data.raw) return { reply: REPLIES.tooLarge };
    return data.hasBareLineFeeds ? { reply: REPLIES.bareLineFeeds } : submit(session, data.raw);
  });
}

/** Reads one chunk. The last one ends the message. `refusal` says why the transaction accepts none. */
export async function receiveChunk(session: SmtpSession, rest: string, refusal: string | undefined): Promise<void> {
  const [, size, last] = /^(\d{1,12})(\s+LAST)?$/i.exec(rest) ?? [];
  if (size === undefined) return session.answer({ reply: REPLIES.invalidArguments });
  const chunk = await session.wait(session.reader.readBytes(Number(size)));
  if (!chunk) return;
  if (refusal !== undefined) return session.answer({ reply: refusal });
  session.transaction?.chunks.push(chunk);
  if (last === undefined) return session.answer({ reply: replies.chunkReceived(chunk.length) });
  const raw = Buffer.concat(session.transaction?.chunks ?? []);
  await session.perform('end', () => submit(session, raw));
}

/** Exchange's answer to a complete message. In rate mode `delay` it waits until the rate allows the message. */
async function submit(session: SmtpSession, raw: Buffer): Promise<Answer> {
  const submission = submissionOf(session, raw);
  if (!submission || !session.transaction) return { reply: REPLIES.badSequence };
  const check = checkSubmission(submission);
  if (check.kind === 'refused') return { reply: check.reply };
  session.transaction.taken = session.host.take(submission, submission.now + check.waitMs);
  session.taken += 1;
  if (check.waitMs > 0) await pause(check.waitMs, session.gone);
  return { reply: replies.accepted(firstHeader(submission.headers, 'message-id') ?? '') };
}

function submissionOf(session: SmtpSession, raw: Buffer): Submission | undefined {
  const { mailbox, limits, transaction, host } = session;
  if (!mailbox || !transaction) return undefined;
  const { from, recipients } = transaction;
  return { mailbox, limits, from, recipients, raw, headers: readHeaders(raw), now: host.now() };
}
