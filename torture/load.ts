/**
 * A steady load, two mails by HTTP and then one by SMTP: each mail has a number that is its subject, and what became of
 * its request is noted. By SMTP a mail is tried until it is taken, as a client's own queue does: each try is a request.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { ANSWER_MS_MAX, type Answer, type NoOne } from './answer.ts';
import type { Random } from './random.ts';
import type { Slot } from './slot.ts';
import { handOver } from './smtp-client.ts';
import { MAILBOXES, smtpPortOf, urlOf, type World } from './world.ts';

export interface Mail {
  readonly n: number;
  readonly mailbox: string;
  readonly to: readonly string[];
  readonly attachmentBytes: number;
  readonly priority: 'high' | 'normal' | 'low';
}

export type Way = 'HTTP' | 'SMTP';

export interface Request {
  readonly mail: Mail;
  readonly way: Way;
  /** The process that was asked. */
  readonly api: string;
  readonly at: number;
  readonly tookMs: number;
  readonly answer: Answer;
}

/** The 503 that says that nobody knows: the connection to Redis was lost before its answer came. */
export const UNANSWERED = 'urn:relay365:problem:queue-unanswered';
/** What a client's queue waits before the next try, and when it gives up. */
const RETRY_MS = [300, 1_500] as const;
/** A client's queue has days; several faults of Redis in turn are a minute. */
const RETRY_MS_MAX = 180_000;

/** The mail with this number. */
function makeMail(n: number, random: Random): Mail {
  const to = Array.from({ length: random.whole(1, 3) }, (_, i) => `r${n}-${i}@example.com`);
  const attachmentBytes = random.whole(1, 20) === 1 ? random.whole(50_000, 400_000) : 0;
  return { n, mailbox: random.pick(MAILBOXES), to, attachmentBytes, priority: random.pick(['high', 'normal', 'low']) };
}

export function subjectOf(n: number): string {
  return `Torture ${n}`;
}

/** Text that no log may show. */
export const BODY_MARK = 'a-body-that-no-log-may-show';

function bodyOf({ n, mailbox, to, attachmentBytes, priority }: Mail): object {
  const content = Buffer.alloc(attachmentBytes, `${n} `).toString('base64');
  return {
    mailbox,
    to,
    priority,
    subject: subjectOf(n),
    text: `${BODY_MARK}, number ${n}.`,
    ...(attachmentBytes > 0 && { attachments: [{ filename: `${n}.txt`, content }] }),
  };
}

/** The mail as a program writes it that speaks SMTP: the same bytes in each try. */
export function bytesOf({ n, mailbox, to, attachmentBytes }: Mail): Buffer {
  const lines = [
    `From: ${mailbox}`,
    `To: ${to.join(', ')}`,
    `Subject: ${subjectOf(n)}`,
    'Date: Wed, 25 Nov 2026 10:00:00 +0100',
    `Message-ID: ${messageIdOf(n)}`,
    '',
    `.${BODY_MARK}, number ${n}.`,
    ...Array.from({ length: Math.ceil(attachmentBytes / LINE.length) }, () => LINE),
    '',
  ];
  return Buffer.from(lines.join('\r\n'));
}

const LINE = '.'.padEnd(76, 'A line that must be stuffed. ');

function messageIdOf(n: number): string {
  return `<torture-${n}@client.example>`;
}

/** Sends mails until the time is over; resolves when the last one has its answer. */
export async function sendLoad(world: World, random: Random, loadMs: number, perSecond: number): Promise<Request[]> {
  const requests: Promise<readonly Request[]>[] = [];
  const began = Date.now();
  for (let n = 0; Date.now() - began < loadMs; n += 1) {
    const own = random.fork(n);
    const mail = makeMail(n, own);
    requests.push(n % 3 === 2 ? sendUntilTaken(world, mail, own) : send(world, mail, 'HTTP', n).then((one) => [one]));
    await delay(Math.max(0, began + ((n + 1) * 1_000) / perSecond - Date.now()));
  }
  return (await Promise.all(requests)).flat();
}

async function sendUntilTaken(world: World, mail: Mail, random: Random): Promise<readonly Request[]> {
  const tries: Request[] = [];
  for (const endsAt = Date.now() + RETRY_MS_MAX; Date.now() < endsAt; await delay(random.between(...RETRY_MS))) {
    const last = await send(world, mail, 'SMTP', mail.n + tries.length);
    tries.push(last);
    const { answer } = last;
    if (answer.kind === 'accepted' || (answer.kind === 'refused' && answer.status >= 500)) break;
  }
  return tries;
}

/** Asks the APIs by turns, and passes by one that does not listen, as a load balancer does. */
async function send(world: World, mail: Mail, way: Way, turn: number): Promise<Request> {
  const order = turn % 2 === 0 ? world.apis : world.apis.toReversed();
  const at = Date.now();
  for (const api of order) {
    const answer = await WAYS[way](api, mail);
    if (answer !== 'no one') return { mail, way, api: api.name, at, tookMs: Date.now() - at, answer };
  }
  const answer = { kind: 'no-answer', error: 'No API listens.' } as const;
  return { mail, way, api: 'none', at, tookMs: Date.now() - at, answer };
}

const WAYS: Readonly<Record<Way, (api: Slot, mail: Mail) => Promise<Answer | NoOne>>> = {
  HTTP: async (api, mail) => {
    const url = urlOf(api);
    return url === undefined ? 'no one' : post(url, bodyOf(mail));
  },
  SMTP: async (api, mail) => {
    const { n, mailbox: from, to } = mail;
    const port = smtpPortOf(api);
    if (port === undefined) return 'no one';
    return handOver(port, { from, to, messageId: messageIdOf(n), bytes: bytesOf(mail) });
  },
};

async function post(url: string, body: object): Promise<Answer | NoOne> {
  try {
    const response = await fetch(`${url}/send`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(ANSWER_MS_MAX),
    });
    const answer = (await response.json()) as { id: string; messageId: string; type: string };
    if (response.status === 202) return { kind: 'accepted', id: answer.id, messageId: answer.messageId };
    return { kind: 'refused', status: response.status, type: answer.type };
  } catch (error) {
    const { message, cause } = error as Error & { cause?: NodeJS.ErrnoException };
    return cause?.code === 'ECONNREFUSED' ? 'no one' : { kind: 'no-answer', error: cause?.message ?? message };
  }
}
