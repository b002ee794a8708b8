/** Reads the few headers of a message that Exchange checks and that the sandbox shows. */

/** Headers end at the first empty line. A real message has no more than this. */
const HEADERS_BYTES_MAX = 1024 * 1024;
const END_OF_HEADERS = Buffer.from('\r\n\r\n');

export type Headers = ReadonlyMap<string, readonly string[]>;

/** A From header's address, or what is wrong with it. */
export type Sender =
  | { readonly kind: 'none' }
  | { readonly kind: 'address'; readonly address: string }
  | { readonly kind: 'invalid'; readonly problem: string };

/** The unfolded headers by their names in lower case. */
export function readHeaders(raw: Buffer): Headers {
  const end = raw.indexOf(END_OF_HEADERS);
  const block = raw.subarray(0, Math.min(end < 0 ? raw.length : end, HEADERS_BYTES_MAX)).toString('utf8');
  const headers = new Map<string, string[]>();
  for (const line of block.replace(/\r\n(?=[ \t])/g, '').split('\r\n')) {
    const colon = line.indexOf(':');
    if (colon < 1) continue;
    const name = line.slice(0, colon).trim().toLowerCase();
    headers.set(name, [...(headers.get(name) ?? []), line.slice(colon + 1).trim()]);
  }
  return headers;
}

export function firstHeader(headers: Headers, name: string): string | undefined {
  return headers.get(name)?.[0];
}

/**
 * The address in the From header. Exchange is strict here: one address, and no unquoted `@` in the display name, which
 * is a common fault of printers.
 */
export function readSender(headers: Headers): Sender {
  const values = headers.get('from') ?? [];
  if (values.length > 1) return { kind: 'invalid', problem: 'more than one From header' };
  const [value] = values;
  if (value === undefined) return { kind: 'none' };
  const bare = value
    .replace(/"(?:[^"\\]|\\.)*"(?=\s*<)/g, '')
    .replace(/\((?:[^()\\]|\\.)*\)/g, '')
    .trim();
  const address = /^[^@<>]*<([^<>\s]+@[^<>\s@]+)>$/.exec(bare)?.[1] ?? /^[^<>\s,]+@[^<>\s,@]+$/.exec(bare)?.[0];
  return address === undefined ? { kind: 'invalid', problem: 'invalid From header' } : { kind: 'address', address };
}

/** Decodes RFC 2047 encoded words. Invalid ones are kept as they are. */
export function decodeWords(value: string): string {
  const runs = value.replace(/(\?=)\s+(?==\?)/g, '$1');
  return runs.replace(/(?:=\?[^?\s]+\?[bq]\?[^?\s]*\?=)+/gi, decodeRun);
}

/** A character may be split between two words of one charset, so their bytes are joined before decoding. */
function decodeRun(run: string): string {
  const words = [...run.matchAll(/=\?([^?*]+)[^?]*\?([bq])\?([^?]*)\?=/gi)];
  const parts: { charset: string; bytes: Buffer }[] = [];
  for (const [, charset = '', encoding = '', text = ''] of words) {
    const bytes = encoding.toLowerCase() === 'b' ? Buffer.from(text, 'base64') : decodeQ(text);
    const last = parts.at(-1);
    if (last?.charset === charset.toLowerCase()) last.bytes = Buffer.concat([last.bytes, bytes]);
    else parts.push({ charset: charset.toLowerCase(), bytes });
  }
  try {
    return parts.map(({ charset, bytes }) => new TextDecoder(charset).decode(bytes)).join('');
  } catch {
    // An unknown charset.
    return run;
  }
}

function decodeQ(text: string): Buffer {
  const latin1 = text
    .replace(/_/g, ' ')
    .replace(/=([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(latin1, 'latin1');
}
