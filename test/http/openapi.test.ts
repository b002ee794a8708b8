/** The OpenAPI document has everything that readers and client generators need. */
import { describe, expect, test } from 'vitest';
import { openTestApp } from '../helpers/app.ts';

interface Media {
  readonly schema: { readonly $ref?: string; readonly examples?: object };
  readonly example?: unknown;
  readonly examples?: object;
}

interface Operation {
  readonly operationId?: string;
  readonly tags?: readonly string[];
  readonly summary?: string;
  readonly description?: string;
  readonly security?: readonly object[];
  readonly parameters?: readonly { readonly name: string; readonly description?: string }[];
  readonly requestBody?: { readonly content: Record<string, Media> };
  readonly responses: Record<
    string,
    {
      readonly description?: string;
      readonly headers?: Record<string, unknown>;
      readonly content?: Record<string, Media>;
    }
  >;
}

interface Document {
  readonly tags: readonly { readonly name: string }[];
  readonly security: readonly object[];
  readonly paths: Record<string, Record<string, Operation>>;
}

async function readDocument(): Promise<Document> {
  const { app } = openTestApp();
  await app.ready();
  return app.swagger() as unknown as Document;
}

function operationsOf({ paths }: Document): readonly (Operation & { readonly name: string })[] {
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ ...operation, name: `${method} ${path}` })),
  );
}

/** Bodies of requests and answers that have no example. */
function withoutExample({ name, requestBody, responses }: Operation & { readonly name: string }): readonly string[] {
  const answers = Object.entries(responses).map(([status, { content = {} }]) => [status, content] as const);
  const bodies = [['request', requestBody?.content ?? {}] as const, ...answers];
  return bodies.flatMap(([where, content]) =>
    Object.entries(content)
      // OpenAPI 3.1 has either, and not both.
      .filter(([, { example, examples }]) => (example === undefined) === (Object.keys(examples ?? {}).length === 0))
      .map(([type]) => `${name}: ${where} ${type}`),
  );
}

const isGuarded = ({ security }: Operation): boolean => security === undefined || security.length > 0;

describe('every operation', () => {
  test('has a unique id, declared tags, a summary, a description and security', async () => {
    const document = await readDocument();
    const operations = operationsOf(document);
    const tags = document.tags.map(({ name }) => name);
    for (const operation of operations) {
      expect(operation).toMatchObject({
        operationId: expect.stringMatching(/^[a-z]+[A-Z]\w+$/),
        summary: expect.stringMatching(/./),
        description: expect.stringMatching(/\.$/),
      });
      expect(operation.tags?.filter((tag) => tags.includes(tag))).toHaveLength(1);
    }
    expect(new Set(operations.map(({ operationId }) => operationId)).size).toBe(operations.length);
    expect(document.security).toEqual([{ apiKey: [] }]);
    expect(operations.filter((one) => !isGuarded(one)).map(({ name }) => name)).toEqual([
      'get /health/live',
      'get /health/ready',
    ]);
  });

  test('has an example for every body and every answer', async () => {
    const operations = operationsOf(await readDocument());
    expect(operations.flatMap(withoutExample)).toEqual([]);
    for (const { name, responses } of operations) {
      for (const [status, { description, content }] of Object.entries(responses))
        expect([name, status, description !== '', Object.keys(content ?? {}).length > 0]).toEqual([
          name,
          status,
          true,
          true,
        ]);
    }
  });

  test('describes every parameter and every header', async () => {
    const operations = operationsOf(await readDocument());
    for (const { name, parameters = [], responses } of operations) {
      for (const parameter of parameters)
        expect([name, parameter.name, parameter.description]).toEqual([name, parameter.name, expect.any(String)]);
      for (const { headers } of Object.values(responses)) expect(Object.keys(headers ?? {})).toContain('X-Request-Id');
    }
  });

  test('that requires a key documents the problems of a key and its rate limit', async () => {
    const operations = operationsOf(await readDocument());
    for (const { name, responses } of operations.filter(isGuarded)) {
      expect([name, Object.keys(responses)]).toEqual([
        name,
        expect.arrayContaining(['401', '403', '429', '500', '503']),
      ]);
      const examples = responses['429']?.content?.['application/problem+json']?.examples ?? {};
      expect(Object.keys(examples)).toEqual(expect.arrayContaining(['too-many-requests', 'too-many-wrong-keys']));
      for (const [status, { headers }] of Object.entries(responses)) {
        if (status === '401') continue;
        expect([name, status, Object.keys(headers ?? {})]).toEqual([
          name,
          status,
          expect.arrayContaining(['RateLimit', 'RateLimit-Policy']),
        ]);
      }
    }
  });
});

test('an answer without an example is found', () => {
  const content = { 'text/plain': { schema: {} } };
  expect(withoutExample({ name: 'get /', responses: { 200: { content } } })).toEqual(['get /: 200 text/plain']);
});
