/** What a run leaves for the checks: requests and answers, what relay365 says about them, and what Exchange has. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Queue } from 'bullmq';
import type { TakenMessage } from '../src/sandbox/message-store.ts';
import { makeKeys, NAMESPACE } from '../src/queue/redis/keys.ts';
import type { Request } from './load.ts';
import type { ProcessEnd } from './managed-process.ts';
import { MAILBOXES, urlOf, type World } from './world.ts';

/** A message as GET /messages/{id} shows it. */
export interface MessageView {
  readonly id: string;
  readonly status: string;
  readonly messageId: string;
  readonly finishedAt?: string;
  readonly attempts: readonly AttemptView[];
  readonly recipients: readonly { readonly address: string; readonly status: string; readonly reply?: object }[];
}

export interface AttemptView {
  readonly at: string;
  readonly durationMs: number;
  readonly outcome: string;
  readonly reply?: { readonly code: number; readonly enhanced?: string; readonly text: string };
  readonly explanation: string;
}

/** A fault, and when it happened. */
export interface Injected {
  readonly name: string;
  readonly at: number;
  readonly endedAt: number;
  readonly error?: string;
}

export interface Evidence {
  readonly requests: readonly Request[];
  /** By id. Undefined if GET answered 404. */
  readonly messages: ReadonlyMap<string, MessageView | undefined>;
  readonly taken: readonly TakenMessage[];
  readonly faults: readonly Injected[];
  readonly ends: readonly ProcessEnd[];
  /** The maximum number of simultaneous logins, by mailbox. */
  readonly connectionPeaks: ReadonlyMap<string, number>;
  /** Messages that Exchange refused because of their rate. */
  readonly rateRefusals: number;
  readonly drainedMs: number;
  /** What is in Redis at the end but should not be. */
  readonly leftovers: readonly string[];
  readonly logs: ReadonlyMap<string, string>;
}

const FINAL = ['sent', 'failed', 'expired', 'canceled'];
const POLL_MS = 500;
const PARALLEL = 20;

/** Asks for every accepted message until all are final, or the time is over. */
export async function collectMessages(
  world: World,
  requests: readonly Request[],
  drainMs: number,
): Promise<{ readonly messages: Map<string, MessageView | undefined>; readonly drainedMs: number }> {
  const began = Date.now();
  const messages = new Map<string, MessageView | undefined>();
  let open = requests.flatMap(({ answer }) => (answer.kind === 'accepted' ? [answer.id] : []));
  for (;;) {
    for (let i = 0; i < open.length; i += PARALLEL) {
      const ids = open.slice(i, i + PARALLEL);
      const found = await Promise.all(ids.map((id) => getMessage(world, id)));
      for (const [at, id] of ids.entries()) messages.set(id, found[at]);
    }
    open = open.filter((id) => messages.get(id) !== undefined && !FINAL.includes(messages.get(id)?.status ?? ''));
    if (open.length === 0 || Date.now() - began > drainMs) return { messages, drainedMs: Date.now() - began };
    await delay(POLL_MS);
  }
}

/** Tries again while no API answers, because the status comes from an API only. */
async function getMessage({ apis }: World, id: string): Promise<MessageView | undefined> {
  for (;;) {
    const url = apis.map(urlOf).find((one) => one !== undefined);
    const response = url === undefined ? undefined : await fetch(`${url}/messages/${id}`).catch(() => undefined);
    if (response?.status === 404) return undefined;
    if (response?.ok) return (await response.json()) as MessageView;
    await delay(POLL_MS);
  }
}

/** Looks for jobs, bodies and counts that are not needed any more. */
export async function findLeftovers(
  { redis: { client, url } }: World,
  messages: Evidence['messages'],
): Promise<string[]> {
  const keys = makeKeys(NAMESPACE);
  const found: string[] = [];
  const note = (count: number, what: string) => void (count > 0 && found.push(`${count} ${what}`));
  const unsent = [...messages.values()].filter((message) => message?.status !== 'sent').length;
  note((await client.keys(keys.body('*'))).length - unsent, 'bodies of messages that were sent');
  note(await client.zcard(keys.deadlines), 'messages that wait to expire');
  const connection = { path: new URL(url).pathname };
  for (const mailbox of MAILBOXES) {
    note(await client.hlen(keys.underWay(mailbox)), `messages in progress through ${mailbox}`);
    const queue = new Queue(mailbox, { connection, prefix: keys.prefix });
    for (const [state, count] of Object.entries(await queue.getJobCounts())) note(count, `jobs ${state} of ${mailbox}`);
    await queue.close();
  }
  return found;
}

export function readLogs({ folder }: World): Map<string, string> {
  const files = readdirSync(folder).filter((name) => name.endsWith('.log'));
  return new Map(files.map((name) => [name, readFileSync(join(folder, name), 'utf8')]));
}
