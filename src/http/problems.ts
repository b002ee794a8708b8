/**
 * Every way in which the API says no: one table from code to status, title and what to do, and the RFC 9457 document
 * that tells it. The `type` of a code never changes; programs may depend on it.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { FieldError } from '../core/message/field-errors.ts';

interface ProblemKind {
  readonly status: number;
  readonly title: string;
  /** When it happens, for the documentation. */
  readonly meaning: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Long enough for a Redis that restarts, or for a load balancer to see that this process is going. */
const RETRY_AFTER_SECONDS = '5';

export const PROBLEMS = {
  'malformed-request': {
    status: 400,
    title: 'Malformed request',
    meaning: 'The request is not valid HTTP, or its URL is not.',
  },
  'invalid-json': { status: 400, title: 'Invalid JSON', meaning: 'The body is not JSON in UTF-8.' },
  unauthorized: {
    status: 401,
    title: 'API key missing or wrong',
    meaning: 'No `Authorization: Bearer KEY`, or a key that is not one of `API_KEYS`.',
    headers: { 'WWW-Authenticate': 'Bearer realm="relay365"' },
  },
  'not-local': {
    status: 403,
    title: 'Only for this machine',
    meaning: 'No API key is configured, so only programs and pages of this machine are served.',
  },
  forbidden: {
    status: 403,
    title: 'Not with this API key',
    meaning: 'The key is good, but has not the scope that this needs.',
  },
  'sender-not-allowed': { status: 403, title: 'Sender not allowed', meaning: 'No mailbox here may send as `from`.' },
  'not-found': { status: 404, title: 'Not found', meaning: 'There is nothing at this URL.' },
  'message-not-found': {
    status: 404,
    title: 'Message not found',
    meaning: 'There is no such message, or it was finished longer than `RETENTION_DAYS` ago.',
  },
  'mailbox-not-found': {
    status: 404,
    title: 'Mailbox not found',
    meaning: 'No mailbox of this address is configured.',
  },
  'sandbox-only': {
    status: 404,
    title: 'Only in the sandbox',
    meaning: 'A mailbox is configured, so mail really leaves and there is no sandbox to look into.',
  },
  'method-not-allowed': {
    status: 405,
    title: 'Method not allowed',
    meaning: 'The `Allow` header names the methods of this URL.',
  },
  'wrong-state': {
    status: 409,
    title: 'Not in this state',
    meaning: 'The message is in a state in which this can not be done with it, and nothing was done.',
  },
  'request-timeout': { status: 408, title: 'Request too slow', meaning: 'The request did not arrive in time.' },
  'body-too-large': {
    status: 413,
    title: 'Request too large',
    meaning: 'The body is larger than any mailbox could send.',
  },
  'message-too-large': {
    status: 413,
    title: 'Message too large',
    meaning: 'The composed message would be larger than its mailbox may send.',
  },
  'unsupported-media-type': {
    status: 415,
    title: 'Unsupported media type',
    meaning: 'The body has a `Content-Type` that is not read here; most routes read `application/json` alone.',
  },
  'url-too-long': {
    status: 414,
    title: 'URL too long',
    meaning: 'A part of the URL is longer than any that there is.',
  },
  'invalid-message': {
    status: 422,
    title: 'Invalid message',
    meaning: 'The JSON is fine, what it says is not: `errors` names every field that is wrong and what would be right.',
  },
  'idempotency-key-reused': {
    status: 422,
    title: 'Idempotency-Key used before',
    meaning: 'The `Idempotency-Key` came with another request within the last 24 hours. Nothing was queued.',
  },
  'too-many-requests': {
    status: 429,
    title: 'Too many requests',
    meaning: 'The key has made as many requests as it may in a minute: `Retry-After` says when there is room again.',
    headers: { 'Retry-After': RETRY_AFTER_SECONDS },
  },
  'too-many-wrong-keys': {
    status: 429,
    title: 'Too many wrong API keys',
    meaning: 'So many wrong keys came from this address that none is looked at for now: `Retry-After` says how long.',
    headers: { 'Retry-After': '60' },
  },
  'client-queue-full': {
    status: 429,
    title: 'Too much queued for this key',
    meaning: 'As much mail of this key waits as may. Nothing was queued; send the same request again later.',
    headers: { 'Retry-After': '30' },
  },
  'headers-too-large': {
    status: 431,
    title: 'Request headers too large',
    meaning: 'The request has more headers than are read.',
  },
  internal: {
    status: 500,
    title: 'Internal error',
    meaning: 'A fault of relay365. Its log tells it under the `requestId`.',
  },
  'message-unreadable': {
    status: 500,
    title: 'Message record damaged',
    meaning:
      'The record of this message in Redis is damaged, so it is neither sent nor canceled. An administrator can restore ' +
      'the record from a backup; the log has the reason under the `requestId`.',
  },
  'queue-unavailable': {
    status: 503,
    title: 'Queue unavailable',
    meaning: 'Redis can not be reached, or is full. Nothing was queued; send the same request again later.',
    headers: { 'Retry-After': RETRY_AFTER_SECONDS },
  },
  'queue-full': {
    status: 503,
    title: 'Queue full',
    meaning: 'As much mail waits as may. Nothing was queued; send the same request again later.',
    headers: { 'Retry-After': '30' },
  },
  'receiving-full': {
    status: 503,
    title: 'Too much is being received',
    meaning: 'As many large requests are under way as may. Nothing was queued; send the same request again later.',
    headers: { 'Retry-After': RETRY_AFTER_SECONDS },
  },
  'queue-unanswered': {
    status: 503,
    title: 'Queue did not answer',
    meaning:
      'The connection to Redis ended, or time ran out, before its answer came, so nobody knows whether the message was ' +
      'queued. Send the same request again: with an Idempotency-Key it is queued once, without one perhaps twice.',
    headers: { 'Retry-After': RETRY_AFTER_SECONDS },
  },
  stopping: {
    status: 503,
    title: 'Stopping',
    meaning: 'This process is shutting down. Nothing was queued; send the same request again.',
    headers: { 'Retry-After': RETRY_AFTER_SECONDS, Connection: 'close' },
  },
} as const satisfies Readonly<Record<string, ProblemKind>>;

export type ProblemCode = keyof typeof PROBLEMS;

/** What a problem says beyond its kind. */
export interface ProblemDetails {
  /** What is wrong with this request, in a sentence for a person. */
  readonly detail?: string;
  readonly errors?: readonly FieldError[];
  readonly sizeBytes?: number;
  readonly sizeBytesMax?: number;
}

/** RFC 9457, with the extension members `requestId`, `errors`, `sizeBytes` and `sizeBytesMax`. */
export interface Problem extends ProblemDetails {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly requestId: string;
}

/** A request that can't be served; the error handler answers with its problem. */
export class RequestError extends Error {
  override readonly name = 'RequestError';
  readonly code: ProblemCode;
  readonly details: ProblemDetails;

  constructor(code: ProblemCode, details: ProblemDetails, options?: ErrorOptions) {
    super(details.detail ?? PROBLEMS[code].title, options);
    this.code = code;
    this.details = details;
  }
}

export const PROBLEM_MEDIA_TYPE = 'application/problem+json';

/** The headers that every answer of this kind has. */
export function problemHeaders(code: ProblemCode): Readonly<Record<string, string>> {
  const kind: ProblemKind = PROBLEMS[code];
  return kind.headers ?? {};
}

/** The URI that names a kind of problem. */
export function problemType(code: ProblemCode): string {
  return `urn:relay365:problem:${code}`;
}

export function makeProblem(code: ProblemCode, requestId: string, details: ProblemDetails = {}): Problem {
  const { status, title } = PROBLEMS[code];
  return { type: problemType(code), title, status, ...details, requestId };
}

/**
 * Answers with a problem. A header that the reply has already is more exact than its kind's; the X-Request-Id is set
 * here too, for requests that no hook has seen.
 */
export function sendProblem(
  request: FastifyRequest,
  reply: FastifyReply,
  code: ProblemCode,
  details?: ProblemDetails,
): FastifyReply {
  return reply
    .code(PROBLEMS[code].status)
    .headers({ ...problemHeaders(code), ...reply.getHeaders(), 'x-request-id': request.id })
    .type(PROBLEM_MEDIA_TYPE)
    .send(JSON.stringify(makeProblem(code, request.id, details)));
}
