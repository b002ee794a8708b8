/** The request and the answer of `POST /send/batch`. */
import { type Static, type TSchema, Type } from 'typebox';
import { BATCH_EXAMPLE } from './examples.ts';
import { ProblemSchema } from './problem.ts';
import { described, SendAnswer, SendRequest } from './send.ts';

export const BATCH_MAX = 100;

/** As a part of another schema, its examples would be taken for those of the whole. */
function withoutExamples(schema: TSchema & { 'x-examples'?: unknown }): TSchema {
  const { 'x-examples': _, ...rest } = schema;
  return rest;
}

/** A batch as it is documented; `BatchShape` is what Fastify checks of it. */
export const BatchRequest = Type.Object(
  {
    messages: described(
      Type.Unsafe<unknown[]>({ type: 'array', items: withoutExamples(SendRequest) }),
      `1 to ${BATCH_MAX} messages, each as for \`POST /send\`.`,
    ),
  },
  {
    title: 'BatchRequest',
    additionalProperties: false,
    'x-examples': { two: { summary: 'Two messages', value: BATCH_EXAMPLE } },
  },
);

export const BatchShape = Type.Object(
  { messages: Type.Unsafe<unknown[]>({ type: 'array' }) },
  { additionalProperties: false },
);
export type BatchShape = Static<typeof BatchShape>;

const ErrorAnswer = Type.Omit(ProblemSchema, ['requestId'], { title: 'BatchError' });

export const BatchAnswer = Type.Object(
  {
    results: Type.Array(
      Type.Union(
        [
          Type.Object({ index: Type.Integer(), ...SendAnswer.properties }, { title: 'BatchAccepted' }),
          Type.Object({ index: Type.Integer(), error: ErrorAnswer }, { title: 'BatchRefused' }),
        ],
        { title: 'BatchResult' },
      ),
    ),
  },
  { title: 'BatchAnswer' },
);
export type BatchResult = Static<typeof BatchAnswer>['results'][number];
