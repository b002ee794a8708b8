/** The OpenAPI document: its introduction, and the routes' schemas under their names. */
import swagger from '@fastify/swagger';
import type { FastifyInstance } from 'fastify';
import { PROBLEMS, type ProblemCode, problemType } from './problems.ts';
import { DESCRIPTION_HERE } from './schemas/send.ts';

const DESCRIPTION = `Send email through Microsoft 365 from any program.

\`POST /send\` puts a message into a durable queue and answers 202. relay365 hands it to Exchange Online, respects
Microsoft's limits and retries when necessary. \`GET /messages/{id}\` shows its status.

**Authentication.** When \`API_KEYS\` is set, send \`Authorization: Bearer KEY\` (here: the button *Authorize*). Without
API keys, only programs and pages on this machine are served.

**Errors** are RFC 9457 \`application/problem+json\`, with every invalid field in \`errors\`. Every answer carries
\`X-Request-Id\`; send your own to find the request in the log. The types of problems are stable:

<details><summary>All types</summary>

${problemTable()}

</details>
`;

const TAGS = [
  { name: 'Messages', description: 'Send messages and see their status.' },
  { name: 'Mailboxes', description: 'The status of each mailbox, the reason and the fix.' },
  { name: 'Health', description: 'For load balancers and orchestrators; open to everyone.' },
  {
    name: 'Sandbox',
    description: 'What the simulated Exchange accepted. While no mailbox is configured, no message leaves.',
  },
];

/** To be called before the routes are added. */
export function describeApi(app: FastifyInstance, version: string): void {
  app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'relay365', version, description: DESCRIPTION, license: { name: 'MIT', identifier: 'MIT' } },
      servers: [{ url: '/', description: 'This server' }],
      tags: TAGS,
      security: [{ apiKey: [] }],
      components: {
        headers: RATE_HEADERS,
        securitySchemes: { apiKey: { type: 'http', scheme: 'bearer', description: 'One of the keys in `API_KEYS`.' } },
      },
    },
    convertConstToEnum: false,
    transformObject: (document) =>
      nameSchemas(addRateHeaders('openapiObject' in document ? document.openapiObject : document.swaggerObject)),
  });
}

/** For a key with `requestsPerMinute`. */
const RATE_HEADERS = {
  RateLimit: {
    description: 'For a key with `requestsPerMinute`: the requests that are left (r) in the next seconds (t).',
    schema: { type: 'string' },
    example: '"minute";r=57;t=42',
  },
  'RateLimit-Policy': {
    description: 'For a key with `requestsPerMinute`: the requests that are allowed (q) in a window of seconds (w).',
    schema: { type: 'string' },
    example: '"minute";q=60;w=60',
  },
} as const;

/** Adds the headers to every answer that a known key can get. draft-ietf-httpapi-ratelimit-headers-11 */
function addRateHeaders<Document extends object>(document: Document): Document {
  const refs = Object.keys(RATE_HEADERS).map((name) => [name, { $ref: `#/components/headers/${name}` }]);
  const { paths = {} } = document as { paths?: Record<string, Record<string, Operation>> };
  for (const { security, responses } of Object.values(paths).flatMap((methods) => Object.values(methods))) {
    if (security?.length === 0) continue;
    for (const [status, answer] of Object.entries(responses)) {
      if (status !== '401') answer.headers = { ...answer.headers, ...Object.fromEntries(refs) };
    }
  }
  return document;
}

interface Operation {
  readonly security?: readonly object[];
  readonly responses: Readonly<Record<string, { headers?: object }>>;
}

function problemTable(): string {
  const rows = Object.entries(PROBLEMS).map(
    ([code, { status, meaning }]) => `| \`${problemType(code as ProblemCode)}\` | ${status} | ${meaning} |`,
  );
  return ['| type | status | when |', '| --- | --- | --- |', ...rows].join('\n');
}

type Json = Record<string, unknown>;

/** Moves each schema with a title to `components.schemas`, where readers and code generators find it by name. */
function nameSchemas<Document extends object>(document: Document): Document {
  const schemas: Json = {};
  const { components, paths, ...rest } = document as Document & { components?: object; paths?: object };
  const named = withRefs(paths, schemas);
  return { ...rest, components: { ...components, schemas: sorted(schemas) }, paths: named } as unknown as Document;
}

function withRefs(value: unknown, schemas: Json): unknown {
  if (Array.isArray(value)) return value.map((item) => withRefs(item, schemas));
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([key, item]) => [key, isExample(key) ? item : withRefs(item, schemas)]);
  const { title, [DESCRIPTION_HERE]: description, ...schema } = Object.fromEntries(entries) as Json;
  if (!isSchema(title, schema)) return Object.fromEntries(entries);
  schemas[title] ??= schema;
  return { $ref: `#/components/schemas/${title}`, ...(description !== undefined && { description }) };
}

/** Examples are data, even where they look like a schema. */
function isExample(key: string): boolean {
  return key === 'example' || key === 'examples';
}

function isSchema(title: unknown, { type, anyOf }: Json): title is string {
  return typeof title === 'string' && (type !== undefined || anyOf !== undefined);
}

function sorted(object: Json): Json {
  return Object.fromEntries(Object.entries(object).sort(([a], [b]) => a.localeCompare(b, 'en')));
}
