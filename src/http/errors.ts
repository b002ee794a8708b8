/**
 * Turns every failure into a problem: what routes and plugins throw, what Fastify finds before a route is reached, and
 * what is not even HTTP. An unknown error is logged in full, and its answer says nothing of it.
 */
import { randomUUID } from 'node:crypto';
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { QueueUnavailableError, UnreadableMessageError } from '../core/admin/errors.ts';
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import {
  makeProblem,
  PROBLEM_MEDIA_TYPE,
  PROBLEMS,
  type ProblemCode,
  type ProblemDetails,
  problemHeaders,
  RequestError,
  sendProblem,
} from './problems.ts';

/** The errors of Fastify and its plugins that a request can cause. */
const FASTIFY_ERRORS: Readonly<Record<string, ProblemCode>> = {
  FST_STATIC_FORBIDDEN_PATH: 'not-found',
  FST_ERR_BAD_URL: 'malformed-request',
  FST_ERR_MAX_PARAM_LENGTH: 'url-too-long',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'malformed-request',
  FST_ERR_CTP_BODY_TOO_LARGE: 'body-too-large',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'unsupported-media-type',
  FST_ERR_CTP_EMPTY_TYPE: 'unsupported-media-type',
};

/** Details of those whose title does not say enough. */
const DETAILS: Readonly<Record<string, ProblemDetails>> = {
  FST_ERR_BAD_URL: {
    detail: 'A % in the URL is not followed by two hexadecimal digits of valid UTF-8. Write %25 for a percent sign.',
  },
  FST_ERR_MAX_PARAM_LENGTH: { detail: 'A path parameter is longer than 100 characters.' },
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: { detail: 'The body is shorter or longer than Content-Length.' },
};

/** Node's errors of a connection that is not valid HTTP. */
const CLIENT_ERRORS: Readonly<Record<string, ProblemCode>> = {
  ERR_HTTP_REQUEST_TIMEOUT: 'request-timeout',
  HPE_HEADER_OVERFLOW: 'headers-too-large',
};

/** Fastify's error handler. */
export function answerError(
  error: FastifyError | RequestError | QueueUnavailableError | UnreadableMessageError,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  if (error instanceof RequestError) return sendProblem(request, reply, error.code, error.details);
  if (error instanceof QueueUnavailableError) return unavailable(error, request, reply);
  if (error instanceof UnreadableMessageError) return unreadable(error, request, reply);
  const code = FASTIFY_ERRORS[error.code];
  switch (code) {
    case 'body-too-large':
      return bodyTooLarge(request, reply);
    case 'unsupported-media-type':
      return unsupported(request, reply);
    case undefined:
      return unexpected(error, request, reply);
    default:
      return sendProblem(request, reply, code, DETAILS[error.code]);
  }
}

/** Node's `clientError`: answers on the socket itself, when it still can, and ends it. */
export function answerClientError(error: Error & { readonly code?: string }, socket: Socket): void {
  const code = CLIENT_ERRORS[error.code ?? ''] ?? 'malformed-request';
  // After ECONNRESET the client is gone.
  if (socket.writable && error.code !== 'ECONNRESET') socket.write(rawProblem(code));
  socket.destroySoon();
}

function bodyTooLarge(request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const sizeBytesMax = request.routeOptions.bodyLimit;
  const sizeBytes = Number(request.headers['content-length']) || undefined;
  const detail = sizeBytes
    ? `The body has ${sizeBytes} bytes. The limit is ${sizeBytesMax} bytes.`
    : `The body exceeds the limit of ${sizeBytesMax} bytes.`;
  return sendProblem(request, reply, 'body-too-large', { detail, ...(sizeBytes && { sizeBytes }), sizeBytesMax });
}

function unsupported(request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const given = request.headers['content-type'];
  const problem = given ? `The Content-Type ${given.slice(0, 100)} is not supported.` : 'The Content-Type is missing.';
  const others = request.routeOptions.url === '/send' ? ', multipart/form-data or message/rfc822' : '';
  const detail = `${problem} Send application/json${others}.`;
  return sendProblem(request, reply, 'unsupported-media-type', { detail });
}

function unavailable(error: Error, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  request.log.error({ err: error }, 'the queue is unavailable');
  return sendProblem(request, reply, 'queue-unavailable', {
    detail: 'Redis did not answer. Send the same request again later.',
  });
}

function unreadable(error: UnreadableMessageError, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  request.log.error({ err: error }, 'the record of a message is damaged');
  const detail =
    `The record of message ${error.messageId} in Redis is damaged, so relay365 neither sends nor cancels it. An ` +
    'administrator can restore it from a backup of Redis. The log has the reason under the requestId.';
  return sendProblem(request, reply, 'message-unreadable', { detail });
}

function unexpected(error: FastifyError, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  if (request.raw.destroyed && !request.raw.complete) request.log.debug({ err: error }, 'the client went away');
  else request.log.error({ err: error }, 'unexpected error');
  return sendProblem(request, reply, 'internal', { detail: 'The log has the details under the requestId.' });
}

function rawProblem(code: ProblemCode): string {
  const requestId = randomUUID();
  const { status } = PROBLEMS[code];
  const body = JSON.stringify(makeProblem(code, requestId));
  const headers = {
    ...problemHeaders(code),
    'Content-Type': PROBLEM_MEDIA_TYPE,
    'Content-Length': Buffer.byteLength(body),
    'X-Request-Id': requestId,
    Connection: 'close',
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  return [`HTTP/1.1 ${status} ${STATUS_CODES[status]}`, ...lines, '', body].join('\r\n');
}
