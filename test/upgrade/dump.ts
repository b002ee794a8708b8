/**
 * What an installation had in Redis, as text that any Redis or Valkey takes again. A dump keeps for years: when it is
 * loaded, all times in it move by the same number of minutes, so that Redis seems to have stopped a minute or two ago.
 */
import type { Redis } from 'ioredis';

/** A string, or the Base64 of bytes that are no UTF-8. */
export type Text = string | { readonly base64: string };

export interface DumpedKey {
  readonly name: string;
  readonly type: string;
  /** A hash: field and value in turns. A sorted set: member and score. A stream: an id and its list of fields. */
  readonly values: readonly (Text | readonly Text[])[];
  /** How long it had to live. Unset: for ever. */
  readonly leftMs?: number;
}

/** A message in the dump, as its API described it then. */
export interface DumpedMessage {
  readonly title: string;
  /** What has it sent. `over`: nothing more happens to it; `to its end`: it expires; `with its mailbox`: it waits. */
  readonly goesOn: 'by itself' | 'after resume' | 'after retry' | 'over' | 'to its end' | 'with its mailbox';
  /** How often Exchange had taken it by then. */
  readonly takenBefore: number;
  /** What its bytes hold when it is sent. */
  readonly holds: readonly string[];
  /** From the answer to GET /messages/{id}; all of it when the message is over. */
  readonly answer: {
    readonly id: string;
    readonly status: string;
    readonly mailbox: string;
    readonly messageId: string;
    readonly recipients: readonly { readonly address: string; readonly status: string }[];
    readonly attempts: readonly { readonly outcome: string }[];
  };
}

/** A request that had an Idempotency-Key, and the ids that it was answered with. */
export interface DumpedRequest {
  readonly path: string;
  readonly key: string;
  readonly body: object;
  readonly ids: readonly string[];
}

export interface DumpedMailbox {
  readonly id: string;
  readonly recipientsPerDay: number;
}

interface Head {
  readonly version: string;
  readonly takenAt: number;
  /** The configuration of its processes, besides the sandbox's addresses and certificate. */
  readonly env: Readonly<Record<string, string>>;
  readonly yaml: string;
  readonly apiKeys: { readonly shop: string; readonly operator: string };
  readonly pausedMailbox: string;
  readonly mailboxes: readonly DumpedMailbox[];
  readonly requests: readonly DumpedRequest[];
}

export interface Dump extends Head {
  readonly messages: readonly DumpedMessage[];
  readonly keys: readonly DumpedKey[];
}

/** One JSON text a line: the head, the messages, the keys. */
export function encodeDump({ messages, keys, ...head }: Dump): string {
  return [head, ...messages, ...keys].map((line) => `${JSON.stringify(line)}\n`).join('');
}

export function decodeDump(text: string): Dump {
  const [head, ...lines] = text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));
  return {
    ...(head as Head),
    messages: lines.filter((line): line is DumpedMessage => 'goesOn' in line),
    keys: lines.filter((line): line is DumpedKey => 'values' in line),
  };
}

const MINUTE_MS = 60_000;
/** A number or a date this far from the dump's own time is not a time. */
const RANGE_MS = 31 * 24 * 60 * MINUTE_MS;
/** BullMQ keeps a delayed job at its time in ms × 4096. */
const DELAYED_FACTOR = 4_096;

/** Reads all keys of a Redis. */
export async function readKeys(client: Redis): Promise<DumpedKey[]> {
  const names = (await client.keys('*')).sort();
  const keys: DumpedKey[] = [];
  for (const name of names) {
    const [type, leftMs] = await Promise.all([client.type(name), client.pttl(name)]);
    keys.push({ name, type, values: await readValues(client, name, type), ...(leftMs >= 0 && { leftMs }) });
  }
  return keys;
}

const READ: Readonly<Record<string, readonly [command: string, ...args: string[]]>> = {
  string: ['GET'],
  hash: ['HGETALL'],
  list: ['LRANGE', '0', '-1'],
  set: ['SMEMBERS'],
  zset: ['ZRANGE', '0', '-1', 'WITHSCORES'],
  stream: ['XRANGE', '-', '+'],
};

async function readValues(client: Redis, name: string, type: string): Promise<DumpedKey['values']> {
  const [command, ...args] = READ[type] ?? [];
  if (command === undefined) throw new Error(`${name} has the type ${type}, which a dump does not know.`);
  const answer = await client.callBuffer(command, name, ...args);
  const values = (Array.isArray(answer) ? answer.flat() : [answer]) as (Buffer | Buffer[])[];
  return values.map((value) => (Array.isArray(value) ? value.map(toText) : toText(value)));
}

function toText(bytes: Buffer): Text {
  const text = bytes.toString();
  return Buffer.from(text).equals(bytes) ? text : { base64: bytes.toString('base64') };
}

const WRITE: Readonly<Record<string, string>> = {
  string: 'SET',
  hash: 'HSET',
  list: 'RPUSH',
  set: 'SADD',
  zset: 'ZADD',
};

/** Writes a dump into an empty Redis. The answer moves a text of the dump's time as the keys were moved. */
export async function loadDump(client: Redis, { keys, takenAt }: Dump): Promise<(text: string) => string> {
  const byMs = (Math.floor((Date.now() - takenAt) / MINUTE_MS) - 1) * MINUTE_MS;
  const pastMs = Date.now() - takenAt - byMs;
  const move = (text: string) => moveTimes(text, takenAt, byMs);
  for (const key of keys) {
    const leftMs = key.leftMs === undefined ? undefined : key.leftMs - pastMs;
    if (leftMs !== undefined && leftMs <= 0) continue;
    await writeKey(client, key, move);
    if (leftMs !== undefined) await client.pexpire(key.name, leftMs);
  }
  return move;
}

async function writeKey(client: Redis, { name, type, values }: DumpedKey, move: (text: string) => string) {
  const moved = values.map((value) => [value].flat().map((one) => fromText(one, move)));
  if (type === 'stream') return writeStream(client, name, moved);
  await client.call(WRITE[type] ?? '', name, ...(type === 'zset' ? scoresFirst(moved.flat()) : moved.flat()));
}

async function writeStream(client: Redis, name: string, values: readonly (string | Buffer)[][]): Promise<void> {
  for (let i = 0; i + 1 < values.length; i += 2)
    await client.call('XADD', name, ...(values[i] ?? []), ...(values[i + 1] ?? []));
}

/** ZRANGE says member and score, ZADD asks for score and member. */
function scoresFirst(values: readonly (string | Buffer)[]): (string | Buffer)[] {
  return values.map((_, i) => values[i ^ 1] ?? '');
}

function fromText(text: Text, move: (text: string) => string): string | Buffer {
  return typeof text === 'string' ? move(text) : Buffer.from(text.base64, 'base64');
}

/**
 * Moves every time near `around`, whatever key it stands in: RFC 3339 in UTC, ms and minutes since 1970, and a delayed
 * job's score. What names of keys and fields mean is not known here, or the dump would follow today's code.
 */
function moveTimes(text: string, around: number, byMs: number): string {
  const isNear = (ms: number) => Math.abs(ms - around) < RANGE_MS;
  const moveNumber = (digits: string, unitMs: number) =>
    isNear(Number(digits) * unitMs) ? String(Number(digits) + byMs / unitMs) : digits;
  return text
    .replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/g, (date) =>
      isNear(Date.parse(date)) ? new Date(Date.parse(date) + byMs).toISOString() : date,
    )
    .replace(/\b\d{16}\b/g, (digits) => moveNumber(digits, 1 / DELAYED_FACTOR))
    .replace(/\b\d{13}\b/g, (digits) => moveNumber(digits, 1))
    .replace(/\b\d{8}\b/g, (digits) => moveNumber(digits, MINUTE_MS));
}
