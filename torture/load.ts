/** A steady load over HTTP: each mail has a number that is its subject, and what became of its request is noted. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Random } from './random.ts';
import { MAILBOXES, urlOf, type World } from './world.ts';

export interface Mail {
  readonly n: number;
  readonly mailbox: string;
  readonly to: readonly string[];
  readonly attachmentBytes: number;
  readonly priority: 'high' | 'normal' | 'low';
}

export interface Request {
  readonly mail: Mail;
  /** The process that was asked. */
  readonly api: string;
  readonly at: number;
  readonly tookMs: number;
  readonly answer:
    | { readonly kind: 'accepted'; readonly id: string; readonly messageId: string }
    /** A problem document. */
    | { readonly kind: 'refused'; readonly status: number; readonly type: string }
    /** The connection broke, or no answer came in time: nobody knows whether it was accepted. */
    | { readonly kind: 'no-answer'; readonly error: string };
}

/** The 503 that says that nobody knows: the connection to Redis was lost before its answer came. */
export const UNANSWERED = 'urn:relay365:problem:queue-unanswered';
/** Nobody waits longer for an answer. */
export const ANSWER_MS_MAX = 10_000;

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

/** Sends mails until the time is over; resolves when the last one has its answer. */
export async function sendLoad(world: World, random: Random, loadMs: number, perSecond: number): Promise<Request[]> {
  const requests: Promise<Request>[] = [];
  const began = Date.now();
  for (let n = 0; Date.now() - began < loadMs; n += 1) {
    requests.push(send(world, makeMail(n, random.fork(n)), n));
    await delay(Math.max(0, began + ((n + 1) * 1_000) / perSecond - Date.now()));
  }
  return Promise.all(requests);
}

/** Asks the APIs by turns, and passes by one that does not listen, as a load balancer does. */
async function send(world: World, mail: Mail, turn: number): Promise<Request> {
  const order = turn % 2 === 0 ? world.apis : world.apis.toReversed();
  const at = Date.now();
  for (const api of order) {
    const url = urlOf(api);
    const answer = url === undefined ? 'refused' : await post(url, bodyOf(mail));
    if (answer !== 'refused') return { mail, api: api.name, at, tookMs: Date.now() - at, answer };
  }
  return { mail, api: 'none', at, tookMs: Date.now() - at, answer: { kind: 'no-answer', error: 'No API listens.' } };
}

/** `refused`: nobody listens there. */
async function post(url: string, body: object): Promise<Request['answer'] | 'refused'> {
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
    return cause?.code === 'ECONNREFUSED' ? 'refused' : { kind: 'no-answer', error: cause?.message ?? message };
  }
}
