/** `/messages`: what became of messages; to cancel one, or have it tried anew. */
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
/** Every id that was ever given out looks so; the store is not asked for others. */
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
    if (outcome === 'wrong-state') return wrongState(request, reply, found, 'Only what waits can be canceled.');
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

/** The query as it is documented, but for the numbers in it, which come as strings. */
const compileQuery: FastifySchemaCompiler<TSchema> = (route) =>
  compileShape(route.schema === ListQuery ? { ...route, schema: ListShape } : route);

const listOptions = {
  validatorCompiler: compileQuery,
  attachValidation: true,
  config: { scope: 'read' },
} as const;
const retryAllOptions = { attachValidation: true, config: { scope: 'admin' } } as const;

/** A filter that stands in the body would be overlooked, and everything that failed sent again. */
function bodyErrors({ body }: FastifyRequest): readonly FieldError[] {
  if (body === undefined || body === null) return [];
  if (typeof body === 'object' && Object.keys(body).length === 0) return [];
  return [
    { field: 'body', message: 'Is not read here: choose by the query, like ?mailbox=noreply@contoso.com&code=535.' },
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
  return new RequestError('message-not-found', { detail: 'There is no message with this id, or not any more.' });
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
  const what = 'Only what failed, has expired or waits for a person can be tried anew.';
  if (outcome === 'wrong-state') return wrongState(request, reply, found, what);
  return sendProblem(request, reply, 'wrong-state', { detail: 'The content of the message is not kept any more.' });
}

const oneRefusals = guardedAnswers('message-not-found', 'url-too-long', 'message-unreadable', 'queue-unavailable');

const listSchema = {
  operationId: 'listMessages',
  tags: ['Messages'],
  summary: 'Mails, newest first',
  description:
    'The mails of this key (with the scope `admin`: of all keys), by the time of their accept. A page may have fewer mails ' +
    'than asked for, and even none, while there are more: go on as long as there is a `nextCursor`.',
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
  summary: 'What became of a mail',
  description: 'The status of a mail with every attempt, what Exchange replied, what it means and what mends it.',
  params: Params,
  response: { 200: jsonAnswer('The mail as it stands.', MessageAnswer, MESSAGE_EXAMPLE), ...oneRefusals },
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
  summary: 'Cancel a mail',
  description:
    'Cancels a mail that waits: for its time, its turn, its mailbox or its next attempt. Needs the scope `send`.',
  params: Params,
  response: {
    200: jsonAnswer('It is canceled, and no worker will take it.', MessageAnswer, CANCELED_EXAMPLE),
    ...changeRefusals,
  },
};

const retrySchema = {
  operationId: 'retryMessage',
  tags: ['Messages'],
  summary: 'Have a mail tried anew',
  description:
    'Queues a mail again that failed or expired, for the recipients that did not get it; or one that is `held` because ' +
    'nobody knows whether Exchange took it. It has its whole time again. Needs the scope `send`.',
  params: Params,
  response: { 202: jsonAnswer('It is queued.', MessageAnswer, QUEUED_EXAMPLE), ...changeRefusals },
};

const retryAllSchema = {
  operationId: 'retryMessages',
  tags: ['Messages'],
  summary: 'Have many mails tried anew',
  description: 'Queues failed and expired mails again, of all keys, by what they failed for. Needs the scope `admin`.',
  querystring: RetryQuery,
  response: {
    202: jsonAnswer('They are queued.', RetryAnswer, { retried: 17 }),
    ...bodilessAnswers('invalid-message', 'queue-unavailable'),
  },
};
