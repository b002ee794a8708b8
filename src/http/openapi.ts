/** The OpenAPI document: what stands in it beside the routes' own schemas, and its schemas under their names. */
import swagger from '@fastify/swagger';
import type { FastifyInstance } from 'fastify';
import { PROBLEMS, type ProblemCode, problemType } from './problems.ts';
import { DESCRIPTION_HERE } from './schemas/send.ts';

const DESCRIPTION = `One way to send mail through Microsoft 365 from any program.

\`POST /send\` puts a mail into a durable queue and answers 202; relay365 hands it to Exchange Online, keeps
Microsoft's limits, tries again when it must, and \`GET /messages/{id}\` tells what became of it.

**Authentication.** With \`API_KEYS\` set, send \`Authorization: Bearer KEY\` (here: the button *Authorize*). Without any
key only programs and pages of this machine are served.

**Errors** are RFC 9457 \`application/problem+json\`, with all the fields that are wrong in \`errors\`. Every answer carries
\`X-Request-Id\`; send your own to find it in the log. The types of problems stay the same:

<details><summary>All types</summary>

${problemTable()}

</details>
`;

const TAGS = [
  { name: 'Messages', description: 'Send a mail and learn what became of it.' },
  { name: 'Mailboxes', description: 'How each mailbox stands with Exchange, why, and what mends it.' },
  { name: 'Health', description: 'For load balancers and orchestrators; open to everyone.' },
  {
    name: 'Sandbox',
    description: 'What the simulated Exchange took, while no mailbox is configured: no mail leaves then.',
  },
];

/** To be registered before the routes that it describes. */
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
      nameSchemas(tellRates('openapiObject' in document ? document.openapiObject : document.swaggerObject)),
  });
}

/** Of a key with `requestsPerMinute`. */
const RATE_HEADERS = {
  RateLimit: {
    description: 'Of a key with `requestsPerMinute`: how many requests are left (r), for how many seconds (t).',
    schema: { type: 'string' },
    example: '"minute";r=57;t=42',
  },
  'RateLimit-Policy': {
    description: 'Of a key with `requestsPerMinute`: how many requests it may make (q) in how many seconds (w).',
    schema: { type: 'string' },
    example: '"minute";q=60;w=60',
  },
} as const;

/** Adds the headers to every answer that a known key can get. draft-ietf-httpapi-ratelimit-headers-11 */
function tellRates<Document extends object>(document: Document): Document {
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

/** Moves each schema that has a title to `components.schemas`, where a reader and a code generator find it by name. */
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

/** Examples are data: what looks like a schema in them is none. */
function isExample(key: string): boolean {
  return key === 'example' || key === 'examples';
}

function isSchema(title: unknown, { type, anyOf }: Json): title is string {
  return typeof title === 'string' && (type !== undefined || anyOf !== undefined);
}

function sorted(object: Json): Json {
  return Object.fromEntries(Object.entries(object).sort(([a], [b]) => a.localeCompare(b, 'en')));
}
