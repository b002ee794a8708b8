/**
 * Reads a JSON body. What JSON.parse would spend seconds and gigabytes on, or what could reach an object's prototype,
 * is refused before it; text that is not UTF-8 is refused too, since it would be sent on garbled.
 */
import { isUtf8 } from 'node:buffer';
import type { FastifyInstance } from 'fastify';
import { RequestError } from './problems.ts';

/** No field lies deeper than 4. */
const DEPTH_MAX = 32;
/** 500 recipients with name and address come to some thousand values. */
const VALUES_MAX = 100_000;

const QUOTE = 0x22;
const COMMA = 0x2c;
const BACKSLASH = 0x5c;
const OPENING: ReadonlySet<number> = new Set([0x5b, 0x7b]);
const CLOSING: ReadonlySet<number> = new Set([0x5d, 0x7d]);

/** JSON is the only type of body, unless a route adds others. */
export function readJsonBodies(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  const parseSafely = app.getDefaultJsonParser('error', 'error');
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body: Buffer, done) => {
    const coding = request.headers['content-encoding'] ?? 'identity';
    if (coding !== 'identity') return done(compressed(coding));
    const problem = bytesProblem(body);
    if (problem) return done(invalid(problem));
    const text = body.toString('utf8').replace(/^\ufeff/, '');
    void parseSafely(request, text, (error, value) => (error ? done(invalid(textProblem(text))) : done(null, value)));
  });
}

function compressed(coding: string): RequestError {
  return new RequestError('unsupported-media-type', {
    detail: `Content-Encoding ${coding} is not supported. Send the body uncompressed.`,
  });
}

function invalid(detail: string): RequestError {
  return new RequestError('invalid-json', { detail });
}

function bytesProblem(body: Buffer): string | undefined {
  if (body.length === 0) return 'The body is empty.';
  if (!isUtf8(body)) {
    return 'The body is not UTF-8. (Windows PowerShell 5: pass [Text.Encoding]::UTF8.GetBytes($json) as the body.)';
  }
  return boundsProblem(body);
}

/** Why JSON.parse must not read this: what it would have to build is counted. Strings are skipped, so megabytes of Base64 cost little. */
export function boundsProblem(body: Buffer): string | undefined {
  let depth = 0;
  let values = 0;
  for (let at = 0; at < body.length; at += 1) {
    const byte = body[at] as number;
    if (byte === QUOTE) at = endOfString(body, at);
    else if (CLOSING.has(byte)) depth -= 1;
    else if (OPENING.has(byte)) {
      depth += 1;
      values += 1;
    } else if (byte === COMMA) values += 1;
    if (depth > DEPTH_MAX) return `The JSON is nested more than ${DEPTH_MAX} levels deep.`;
    if (values > VALUES_MAX) return `The JSON has more than ${VALUES_MAX} values.`;
  }
  return undefined;
}

/** The position of a string's closing quote; the body's end when it has none. */
function endOfString(body: Buffer, start: number): number {
  let end = body.indexOf(QUOTE, start + 1);
  while (end > 0 && isEscaped(body, end)) end = body.indexOf(QUOTE, end + 1);
  return end < 0 ? body.length : end;
}

/** A quote is escaped by an odd number of backslashes before it. */
function isEscaped(body: Buffer, quote: number): boolean {
  let first = quote;
  while (body[first - 1] === BACKSLASH) first -= 1;
  return (quote - first) % 2 === 1;
}

/** The safe parser says only that it failed; the plain one says where. */
function textProblem(text: string): string {
  try {
    JSON.parse(text);
    return 'The keys __proto__ and constructor.prototype are not allowed.';
  } catch (error) {
    return (error as SyntaxError).message;
  }
}
