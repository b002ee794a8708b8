/** How a route documents its answers: the successful one with an example, the problems by their codes. */
import { type TSchema, Type } from 'typebox';
import { makeProblem, PROBLEM_MEDIA_TYPE, PROBLEMS, type ProblemCode, problemHeaders } from '../problems.ts';
import { RAW_EXAMPLES } from './examples.ts';
import { EXAMPLE_DETAILS, EXAMPLE_REQUEST_ID, ProblemSchema } from './problem.ts';

/** Names of headers with what they mean. */
type HeaderMeanings = Readonly<Record<string, string>>;

const REQUEST_ID: HeaderMeanings = { 'X-Request-Id': 'The id of the request in the log: your own, if you sent one.' };
const PROBLEM_HEADERS: HeaderMeanings = {
  'WWW-Authenticate': 'How to authenticate (RFC 6750).',
  'Retry-After': 'Seconds to wait before trying again.',
};

/** An answer in JSON. */
export function jsonAnswer(
  description: string,
  schema: TSchema,
  example: unknown,
  headers: HeaderMeanings = {},
): TSchema {
  return contentAnswer(description, 'application/json', { schema, example }, headers);
}

/** An answer to a request that may be a repeat. */
export function idempotentAnswer(
  description: string,
  schema: TSchema,
  example: unknown,
  headers: HeaderMeanings = {},
): TSchema {
  return jsonAnswer(description, schema, example, {
    ...headers,
    'Idempotent-Replayed': '`true` when this is the answer to an earlier request with the same Idempotency-Key.',
  });
}

/** An answer in JSON, or in another type for clients that accept it. */
export function withMediaType(
  description: string,
  json: { readonly schema: TSchema; readonly example: unknown },
  mediaType: string,
  meaning: string,
): TSchema {
  const bytes = { schema: Type.String({ description: meaning }), example: RAW_EXAMPLES.text.value };
  return {
    description,
    headers: headerDocs(REQUEST_ID),
    content: { 'application/json': json, [mediaType]: bytes },
  };
}

/** The header of requests that may be repeated. */
export const IDEMPOTENCY_HEADERS = Type.Object({
  'Idempotency-Key': Type.Optional(
    Type.String({
      description: 'A unique value of your own, such as a UUID. Requests with the same key count once within 24 hours.',
    }),
  ),
});

/** An answer in any media type. */
export function contentAnswer(
  description: string,
  mediaType: string,
  media: { readonly schema: TSchema; readonly example?: unknown; readonly examples?: unknown },
  headers: HeaderMeanings = {},
): TSchema {
  return { description, headers: headerDocs({ ...headers, ...REQUEST_ID }), content: { [mediaType]: media } };
}

/** The problems of a route: one entry for each status, an example for each code. */
export function problemAnswers(...codes: readonly ProblemCode[]): Record<number, TSchema> {
  const byStatus = Map.groupBy(codes, (code) => PROBLEMS[code].status);
  return Object.fromEntries([...byStatus].map(([status, group]) => [status, problemAnswer(group)]));
}

/** The problems of every route that requires a key, and these. */
export function guardedAnswers(...codes: readonly ProblemCode[]): Record<number, TSchema> {
  return problemAnswers(...GUARDED, ...codes);
}

/** The same for a route that changes something without a body: a body that comes anyway must be readable. */
export function bodilessAnswers(...codes: readonly ProblemCode[]): Record<number, TSchema> {
  return guardedAnswers('invalid-json', 'body-too-large', 'unsupported-media-type', ...codes);
}

const GUARDED: readonly ProblemCode[] = [
  'malformed-request',
  'unauthorized',
  'not-local',
  'forbidden',
  'too-many-wrong-keys',
  'too-many-requests',
  'internal',
  'stopping',
];

function problemAnswer(codes: readonly ProblemCode[]): TSchema {
  const examples = Object.fromEntries(
    codes.map((code) => [code, { summary: PROBLEMS[code].title, value: exampleOf(code) }]),
  );
  const names = codes.flatMap((code) => Object.keys(problemHeaders(code)));
  const headers = Object.fromEntries(Object.entries(PROBLEM_HEADERS).filter(([name]) => names.includes(name)));
  const description = codes.map((code) => PROBLEMS[code].meaning).join(' Or: ');
  return contentAnswer(description, PROBLEM_MEDIA_TYPE, { schema: ProblemSchema, examples }, headers);
}

function exampleOf(code: ProblemCode): unknown {
  return makeProblem(code, EXAMPLE_REQUEST_ID, EXAMPLE_DETAILS[code]);
}

function headerDocs(meanings: HeaderMeanings): Record<string, TSchema> {
  return Object.fromEntries(
    Object.entries(meanings).map(([name, description]) => [name, Type.String({ description })]),
  );
}
