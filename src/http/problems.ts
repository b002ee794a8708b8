/**
 * Every problem that the API answers with: a table from code to status, title and meaning, and the RFC 9457 document. The
 * `type` of a code never changes, because programs depend on it.
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

/** Long enough for Redis to restart, or for a load balancer to notice that this process is shutting down. */
const RETRY_AFTER_SECONDS = '5';

export const PROBLEMS = {
  'malformed-request': {
    status: 400,
    title: 'Malformed request',
    meaning: 'The request or its URL is not valid HTTP.',
  },
  'invalid-json': { status: 400, title: 'Invalid JSON', meaning: 'The body is not JSON in UTF-8.' },
  unauthorized: {
    status: 401,
    title: 'API key missing or invalid',
    meaning: '`Authorization: Bearer KEY` is missing, or the key is unknown or has expired.',
    headers: { 'WWW-Authenticate': 'Bearer realm="relay365"' },
  },
  'not-local': {
    status: 403,
    title: 'Local requests only',
    meaning: 'No API key is configured, so only programs and pages on this machine are served.',
  },
  forbidden: {
    status: 403,
    title: 'Scope missing',
    meaning: 'The API key is valid but lacks the required scope.',
  },
  'sender-not-allowed': {
    status: 403,
    title: 'Sender not allowed',
    meaning: 'This API key or its mailboxes may not send as `from`.',
  },
  'not-found': { status: 404, title: 'Not found', meaning: 'Nothing exists at this URL.' },
  'message-not-found': {
    status: 404,
    title: 'Message not found',
    meaning: 'No such message exists, or it ended more than `RETENTION_DAYS` ago.',
  },
  'mailbox-not-found': {
    status: 404,
    title: 'Mailbox not found',
    meaning: 'No mailbox with this address is configured.',
  },
  'sandbox-only': {
    status: 404,
    title: 'Sandbox only',
    meaning: 'A mailbox is configured, so messages are really sent and there is no sandbox.',
  },
  'method-not-allowed': {
    status: 405,
    title: 'Method not allowed',
    meaning: 'This URL does not support the method. The `Allow` header lists those it supports.',
  },
  'wrong-state': {
    status: 409,
    title: 'Wrong message state',
    meaning: 'The state of the message does not allow this. Nothing was changed.',
  },
  'request-timeout': { status: 408, title: 'Request timeout', meaning: 'The request did not arrive in time.' },
  'body-too-large': {
    status: 413,
    title: 'Request too large',
    meaning: 'The body is larger than any mailbox can send.',
  },
  'message-too-large': {
    status: 413,
    title: 'Message too large',
    meaning: 'The composed message would exceed the size limit of its mailbox.',
  },
  'unsupported-media-type': {
    status: 415,
    title: 'Unsupported media type',
    meaning: 'The `Content-Type` of the body is not supported. Most routes accept only `application/json`.',
  },
  'url-too-long': {
    status: 414,
    title: 'URL too long',
    meaning: 'A path parameter is too long (100 characters at most).',
  },
  'invalid-message': {
    status: 422,
    title: 'Invalid message',
    meaning: 'The JSON is valid, but the message is not. `errors` lists every invalid field and how to fix it.',
  },
  'idempotency-key-reused': {
    status: 422,
    title: 'Idempotency-Key reused',
    meaning: 'The `Idempotency-Key` was used with a different request in the last 24 hours. Nothing was queued.',
  },
  'too-many-requests': {
    status: 429,
    title: 'Too many requests',
    meaning: 'The API key has reached its limit of requests per minute. `Retry-After` says when to try again.',
    headers: { 'Retry-After': RETRY_AFTER_SECONDS },
  },
  'too-many-wrong-keys': {
    status: 429,
    title: 'Too many invalid API keys',
    meaning: 'Too many invalid keys came from this address, so its keys are not checked until `Retry-After` is over.',
    headers: { 'Retry-After': '60' },
  },
  'client-queue-full': {
    status: 429,
    title: 'Queue limit of this API key reached',
    meaning: 'This API key has reached its queue limit. Nothing was queued. Send the same request again later.',
    headers: { 'Retry-After': '30' },
  },
  'headers-too-large': {
    status: 431,
    title: 'Request headers too large',
    meaning: 'The request headers are larger than 16 KB.',
  },
  internal: {
    status: 500,
    title: 'Internal error',
    meaning: 'An error in relay365. The log has the details under the `requestId`.',
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
    meaning: 'Redis cannot be reached, or is full. Nothing was queued. Send the same request again later.',
    headers: { 'Retry-After': RETRY_AFTER_SECONDS },
  },
  'queue-full': {
    status: 503,
    title: 'Queue full',
    meaning: 'The queue has reached its limit. Nothing was queued. Send the same request again later.',
    headers: { 'Retry-After': '30' },
  },
  'receiving-full': {
    status: 503,
    title: 'Too many large requests',
    meaning: 'Too many large requests are being received. Nothing was queued. Send the same request again later.',
    headers: { 'Retry-After': RETRY_AFTER_SECONDS },
  },
  'queue-unanswered': {
    status: 503,
    title: 'Queue did not answer',
    meaning:
      'The connection to Redis ended, or time ran out, before Redis answered, so the message may or may not be queued. ' +
      'Send the same request again: with an `Idempotency-Key` it is queued once, without one perhaps twice.',
    headers: { 'Retry-After': RETRY_AFTER_SECONDS },
  },
  stopping: {
    status: 503,
    title: 'Shutting down',
    meaning: 'This process is shutting down. Nothing was queued. Send the same request again.',
    headers: { 'Retry-After': RETRY_AFTER_SECONDS, Connection: 'close' },
  },
} as const satisfies Readonly<Record<string, ProblemKind>>;

export type ProblemCode = keyof typeof PROBLEMS;

/** What a problem says besides its kind. */
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

/** A request that cannot be served; the error handler answers with its problem. */
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

/** The headers of every answer of this kind. */
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
 * Answers with a problem. A header that the reply already has wins over the one of its kind. The X-Request-Id is set here
 * too, for requests that no hook has seen.
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
