/**
 * A steady load of two messages by HTTP, then one by SMTP. Each message has its number in its subject, and the answer to
 * its request is recorded. By SMTP a message is tried until it is accepted, as a client's own queue does. Each try is a
 * request.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { ANSWER_MS_MAX, type Answer, type NotListening } from './answer.ts';
import type { Random } from './random.ts';
import type { ManagedProcess } from './managed-process.ts';
import { submitMail } from './smtp-client.ts';
import { MAILBOXES, smtpPortOf, urlOf, type World } from './world.ts';

export interface Mail {
  readonly n: number;
  readonly mailbox: string;
  readonly to: readonly string[];
  readonly attachmentBytes: number;
  readonly priority: 'high' | 'normal' | 'low';
}

export type Protocol = 'HTTP' | 'SMTP';

export interface Request {
  readonly mail: Mail;
  readonly protocol: Protocol;
  /** The process that got the request. */
  readonly api: string;
  readonly at: number;
  readonly tookMs: number;
  readonly answer: Answer;
}

/** The 503 after which the result is unknown: the connection to Redis was lost before its answer arrived. */
export const UNANSWERED = 'urn:relay365:problem:queue-unanswered';
/** How long a client's queue waits before the next try. */
const RETRY_MS = [300, 1_500] as const;
/** When it gives up. A real queue has days; several faults of Redis in a row take a minute. */
const RETRY_MS_MAX = 180_000;

/** Makes the message with this number. */
function makeMail(n: number, random: Random): Mail {
  const to = Array.from({ length: random.whole(1, 3) }, (_, i) => `r${n}-${i}@example.com`);
  const attachmentBytes = random.whole(1, 20) === 1 ? random.whole(50_000, 400_000) : 0;
  return { n, mailbox: random.pick(MAILBOXES), to, attachmentBytes, priority: random.pick(['high', 'normal', 'low']) };
}

export function subjectOf(n: number): string {
  return `Torture ${n}`;
}

/** Text that must not appear in a log. */
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

/** The message as an SMTP client writes it, with the same bytes in each try. */
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

/** Sends messages until the time is over. Resolves when the last one has its answer. */
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

/** Uses the APIs in turn and skips one that does not listen, as a load balancer does. */
async function send(world: World, mail: Mail, protocol: Protocol, turn: number): Promise<Request> {
  const order = turn % 2 === 0 ? world.apis : world.apis.toReversed();
  const at = Date.now();
  for (const api of order) {
    const answer = await BY_PROTOCOL[protocol](api, mail);
    if (answer !== 'not-listening') return { mail, protocol, api: api.name, at, tookMs: Date.now() - at, answer };
  }
  const answer = { kind: 'no-answer', error: 'No API listens.' } as const;
  return { mail, protocol, api: 'none', at, tookMs: Date.now() - at, answer };
}

const BY_PROTOCOL: Readonly<Record<Protocol, (api: ManagedProcess, mail: Mail) => Promise<Answer | NotListening>>> = {
  HTTP: async (api, mail) => {
    const url = urlOf(api);
    return url === undefined ? 'not-listening' : post(url, bodyOf(mail));
  },
  SMTP: async (api, mail) => {
    const { n, mailbox: from, to } = mail;
    const port = smtpPortOf(api);
    if (port === undefined) return 'not-listening';
    return submitMail(port, { from, to, messageId: messageIdOf(n), bytes: bytesOf(mail) });
  },
};

async function post(url: string, body: object): Promise<Answer | NotListening> {
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
    return cause?.code === 'ECONNREFUSED' ? 'not-listening' : { kind: 'no-answer', error: cause?.message ?? message };
  }
}
