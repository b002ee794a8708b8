/** `/messages`: the status of messages; cancel and retry. */
import type { FastifyInstance, FastifyReply, FastifyRequest, FastifySchemaCompiler } from 'fastify';
import { type Static, type TSchema, Type } from 'typebox';
import type { FieldError } from '../../core/message/field-errors.ts';
import type { FoundMessage, MessageAdmin, MessageSelector } from '../../core/admin/message-admin.ts';
import { readListQuery, readRetryQuery, writeCursor } from '../message-queries.ts';
import { messageView } from '../message-view.ts';
import { RequestError, sendProblem } from '../problems.ts';
import { bodilessAnswers, jsonAnswer, guardedAnswers } from '../schemas/answers.ts';
import { CANCELED_EXAMPLE, MESSAGE_EXAMPLE, QUEUED_EXAMPLE } from '../schemas/examples.ts';
import { ListQuery, ListShape, MessageAnswer, MessageList, RetryAnswer, RetryQuery } from '../schemas/message.ts';
import { attachedErrors, compileShape, type SchemaTypes } from '../schema-check.ts';

export interface MessageDependencies {
  readonly messages: MessageAdmin;
}

const Params = Type.Object({
  id: Type.String({ description: 'From the answer of `POST /send`.', examples: [MESSAGE_EXAMPLE.id] }),
});
/** Every id has this form; the store is not asked for others. */
const ID = /^[\w-]{1,64}$/;

export function messageRoutes(instance: FastifyInstance, { messages }: MessageDependencies): void {
  const app = instance.withTypeProvider<SchemaTypes>();
  app.get('/messages', { ...listOptions, schema: listSchema }, async (request, reply) => {
    const query = readListQuery(request.query as object, attachedErrors(request));
    const page = await messages.list({ ...query, ...visibleTo(request.client) });
    const nextCursor = page.next && writeCursor(page.next);
    return reply.send({ items: page.items.map(messageView), ...(nextCursor && { nextCursor }) });
  });
  app.get('/messages/:id', { schema: getSchema, config: { scope: 'read' } }, async (request, reply) =>
    reply.send(messageView(known(await messages.find(selected(request.params, request.client))))),
  );
  app.delete('/messages/:id', { schema: cancelSchema, config: { scope: 'send' } }, async (request, reply) => {
    const { outcome, found } = known(await messages.cancel(selected(request.params, request.client)));
    if (outcome === 'wrong-state') return wrongState(request, reply, found, 'Only a waiting message can be canceled.');
    return reply.send(messageView(found));
  });
  app.post('/messages/:id/retry', { schema: retrySchema, config: { scope: 'send' } }, async (request, reply) => {
    const { outcome, found } = known(await messages.retry(selected(request.params, request.client)));
    if (outcome !== 'queued') return notRetried(request, reply, outcome, found);
    request.log.info({ message: found.message.id, client: request.client.name }, 'message queued again');
    return reply.code(202).send(messageView(found));
  });
  app.post('/messages/retry', { ...retryAllOptions, schema: retryAllSchema }, async (request, reply) => {
    const query = readRetryQuery(request.query as object, [...attachedErrors(request), ...bodyErrors(request)]);
    const retried = await messages.retryAll(query);
    request.log.warn({ audit: 'retry', ...query, retried, client: request.client.name }, 'messages queued again');
    return reply.code(202).send({ retried });
  });
}

/** The query as it is documented, except that numbers arrive as strings. */
const compileQuery: FastifySchemaCompiler<TSchema> = (route) =>
  compileShape(route.schema === ListQuery ? { ...route, schema: ListShape } : route);

const listOptions = {
  validatorCompiler: compileQuery,
  attachValidation: true,
  config: { scope: 'read' },
} as const;
const retryAllOptions = { attachValidation: true, config: { scope: 'admin' } } as const;

/** A filter in the body would be ignored, and everything that failed would be sent again. */
function bodyErrors({ body }: FastifyRequest): readonly FieldError[] {
  if (body === undefined || body === null) return [];
  if (typeof body === 'object' && Object.keys(body).length === 0) return [];
  return [
    {
      field: 'body',
      message: 'No body is accepted. Filter with query parameters, like ?mailbox=noreply@contoso.com&code=535.',
    },
  ];
}

/** A client sees its own messages, and one with `admin` all. */
function visibleTo({ scopes, name }: FastifyRequest['client']): { readonly client?: string } {
  return scopes.includes('admin') ? {} : { client: name };
}

/** @throws RequestError when the id cannot be one. */
function selected({ id }: Static<typeof Params>, client: FastifyRequest['client']): MessageSelector {
  if (!ID.test(id)) throw notFound();
  return { id, ...visibleTo(client) };
}

/** @throws RequestError when there is no such message. Another client's gets the same answer as one that does not exist. */
function known<T>(answer: T | undefined): T {
  if (answer === undefined) throw notFound();
  return answer;
}

function notFound(): RequestError {
  return new RequestError('message-not-found', { detail: 'No message with this id exists, or it has been removed.' });
}

function wrongState(request: FastifyRequest, reply: FastifyReply, found: FoundMessage, what: string): FastifyReply {
  return sendProblem(request, reply, 'wrong-state', { detail: `The message is ${messageView(found).status}. ${what}` });
}

function notRetried(
  request: FastifyRequest,
  reply: FastifyReply,
  outcome: 'wrong-state' | 'content-gone',
  found: FoundMessage,
): FastifyReply {
  const what = 'Only a message that failed, expired or has an unknown outcome can be tried again.';
  if (outcome === 'wrong-state') return wrongState(request, reply, found, what);
  return sendProblem(request, reply, 'wrong-state', { detail: 'The content of the message is no longer stored.' });
}

const oneRefusals = guardedAnswers('message-not-found', 'url-too-long', 'message-unreadable', 'queue-unavailable');

const listSchema = {
  operationId: 'listMessages',
  tags: ['Messages'],
  summary: 'List messages',
  description:
    'The messages of this API key (of all keys with the scope `admin`), newest first. A page may hold fewer messages than ' +
    '`limit`, or none, while there are more: continue as long as there is a `nextCursor`.',
  querystring: ListQuery,
  response: {
    200: jsonAnswer('One page.', MessageList, {
      items: [MESSAGE_EXAMPLE],
      nextCursor: 'MTc4NjAwMDAwMDAwMC43ZDBmOWMzZQ',
    }),
    ...guardedAnswers('invalid-message', 'queue-unavailable'),
  },
};

const getSchema = {
  operationId: 'getMessage',
  tags: ['Messages'],
  summary: 'Get a message',
  description: 'The status of a message and every attempt: what Exchange replied, what it means and how to fix it.',
  params: Params,
  response: { 200: jsonAnswer('The message.', MessageAnswer, MESSAGE_EXAMPLE), ...oneRefusals },
};

const changeRefusals = bodilessAnswers(
  'message-not-found',
  'url-too-long',
  'wrong-state',
  'message-unreadable',
  'queue-unavailable',
);

const cancelSchema = {
  operationId: 'cancelMessage',
  tags: ['Messages'],
  summary: 'Cancel a message',
  description:
    'Cancels a message that waits for its `sendAt`, its mailbox or its next attempt. Requires the scope `send`.',
  params: Params,
  response: {
    200: jsonAnswer('The message is canceled and will not be sent.', MessageAnswer, CANCELED_EXAMPLE),
    ...changeRefusals,
  },
};

const retrySchema = {
  operationId: 'retryMessage',
  tags: ['Messages'],
  summary: 'Try a message again',
  description:
    'Queues a failed or expired message again, for the recipients that have not received it; or a message that is `held` ' +
    'because it is unknown whether Exchange accepted it. Its time to expiry starts again. Requires the scope `send`.',
  params: Params,
  response: { 202: jsonAnswer('The message is queued.', MessageAnswer, QUEUED_EXAMPLE), ...changeRefusals },
};

const retryAllSchema = {
  operationId: 'retryMessages',
  tags: ['Messages'],
  summary: 'Try many messages again',
  description:
    'Queues failed and expired messages of all API keys again, filtered by the query. Requires the scope `admin`.',
  querystring: RetryQuery,
  response: {
    202: jsonAnswer('The messages are queued.', RetryAnswer, { retried: 17 }),
    ...bodilessAnswers('invalid-message', 'queue-unavailable'),
  },
};
