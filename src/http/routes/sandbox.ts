/** `GET /sandbox/messages` and the messages themselves: what the simulated Exchange accepted. For the sandbox only. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { type Static, Type } from 'typebox';
import { sendProblem } from '../problems.ts';
import type { SchemaTypes } from '../schema-check.ts';
import { contentAnswer, jsonAnswer, guardedAnswers } from '../schemas/answers.ts';
import { RAW_EXAMPLES, SANDBOX_EXAMPLE } from '../schemas/examples.ts';

/** What the simulated Exchange accepted. */
export interface SandboxMessages {
  /** Newest first. */
  readonly list: () => readonly SandboxMessage[];
  /** The message as it arrived; undefined when no message has this number. */
  readonly raw: (n: number) => Uint8Array | undefined;
}

const SandboxMessageSchema = Type.Object(
  {
    n: Type.Integer({ description: 'Counts up from 1.' }),
    receivedAt: Type.String({ format: 'date-time' }),
    mailbox: Type.String({ description: 'The mailbox that logged in.' }),
    from: Type.String({ description: 'The sender in `MAIL FROM`.' }),
    to: Type.Array(Type.String(), { description: 'The recipients in `RCPT TO`.' }),
    subject: Type.String(),
    messageId: Type.Union([Type.String(), Type.Null()]),
    sizeBytes: Type.Integer(),
  },
  { title: 'SandboxMessage' },
);
const SandboxList = Type.Object({ items: Type.Array(SandboxMessageSchema) }, { title: 'SandboxMessages' });
const Params = Type.Object({ n: Type.String({ description: 'The number from the list.', examples: ['1'] }) });

type SandboxMessage = Readonly<Omit<Static<typeof SandboxMessageSchema>, 'to'>> & { readonly to: readonly string[] };

/** The routes always exist, so that the OpenAPI document is the same everywhere; without a sandbox they say so. */
export function sandboxRoutes(instance: FastifyInstance, sandbox: SandboxMessages | undefined): void {
  const app = instance.withTypeProvider<SchemaTypes>();
  app.get('/sandbox/messages', { schema: listSchema, config: { scope: 'read' } }, async (request, reply) =>
    sandbox ? reply.send({ items: sandbox.list() }) : noSandbox(request, reply),
  );
  app.get('/sandbox/messages/:n.eml', { schema: rawSchema, config: { scope: 'read' } }, async (request, reply) => {
    if (!sandbox) return noSandbox(request, reply);
    const { n } = request.params;
    const raw = /^\d{1,9}$/.test(n) ? sandbox.raw(Number(n)) : undefined;
    if (!raw)
      return sendProblem(request, reply, 'not-found', { detail: 'The sandbox has no message with this number.' });
    // As a download: a browser must not show a message's HTML as a page of this origin.
    return reply.type('message/rfc822').header('content-disposition', `attachment; filename="${n}.eml"`).send(raw);
  });
}

function noSandbox(request: FastifyRequest, reply: FastifyReply): FastifyReply {
  return sendProblem(request, reply, 'sandbox-only', { detail: 'This relay365 sends through a real mailbox.' });
}

const listSchema = {
  operationId: 'listSandboxMessages',
  tags: ['Sandbox'],
  summary: 'List the messages that the sandbox accepted',
  description: 'Newest first. Available only while no mailbox is configured.',
  response: {
    200: jsonAnswer('The messages that the simulated Exchange accepted.', SandboxList, { items: SANDBOX_EXAMPLE }),
    ...guardedAnswers('sandbox-only'),
  },
};

const rawSchema = {
  operationId: 'getSandboxMessage',
  tags: ['Sandbox'],
  summary: 'Download a message as it was sent',
  description: 'The bytes that the simulated Exchange accepted, to open in a mail program.',
  params: Params,
  response: {
    200: contentAnswer('The message (RFC 5322).', 'message/rfc822', {
      schema: Type.String(),
      example: RAW_EXAMPLES.text.value,
    }),
    ...guardedAnswers('sandbox-only', 'not-found'),
  },
};
