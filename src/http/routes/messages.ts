/** `/messages`: what became of messages; to cancel one, or have it tried anew. */
import type { FastifyInstance, FastifyReply, FastifyRequest, FastifySchemaCompiler } from 'fastify';
import { type Static, type TSchema, Type } from 'typebox';
import type { FieldError } from '../../core/message/field-errors.ts';
import type { FoundMessage, MessageAdmin } from '../../core/admin/message-admin.ts';
import { maySee } from '../keys.ts';
import { readListQuery, readRetryQuery, writeCursor } from '../message-queries.ts';
import { messageView } from '../message-view.ts';
import { RequestError, sendProblem } from '../problems.ts';
import { bodilessAnswers, jsonAnswer, guardedAnswers } from '../schemas/answers.ts';
import { CANCELED_EXAMPLE, MESSAGE_EXAMPLE, QUEUED_EXAMPLE } from '../schemas/examples.ts';
import { ListQuery, ListShape, MessageAnswer, MessageList, RetryAnswer, RetryQuery } from '../schemas/message.ts';
import { attachedErrors, compileShape } from '../schema-check.ts';

export interface MessageDependencies {
  readonly messages: MessageAdmin;
}

const Params = Type.Object({
  id: Type.String({ description: 'From the answer of `POST /send`.', examples: [MESSAGE_EXAMPLE.id] }),
});
/** Every id that was ever given out looks so; the store is not asked for others. */
const ID = /^[\w-]{1,64}$/;

export function messageRoutes(app: FastifyInstance, { messages }: MessageDependencies): void {
  const list = {
    schema: listSchema,
    validatorCompiler: compileQuery,
    attachValidation: true,
    config: { scope: 'read' },
  } as const;
  app.get('/messages', list, (request, reply) =>
    answered(request, reply, async () => {
      const { scopes, name } = request.client;
      const query = readListQuery(request.query as object, attachedErrors(request));
      const page = await messages.list({ ...query, ...(!scopes.includes('admin') && { client: name }) });
      const nextCursor = page.next && writeCursor(page.next);
      return reply.send({ items: page.items.map(messageView), ...(nextCursor && { nextCursor }) });
    }),
  );
  app.get('/messages/:id', { schema: getSchema, config: { scope: 'read' } }, (request, reply) =>
    answered(request, reply, async () => reply.send(messageView(await find(request, messages)))),
  );
  app.delete('/messages/:id', { schema: cancelSchema, config: { scope: 'send' } }, (request, reply) =>
    answered(request, reply, async () => {
      const { message } = await find(request, messages);
      const canceled = await messages.cancel(message.id);
      const now = await find(request, messages);
      if (!canceled) return wrongState(request, reply, now, 'Only what waits can be canceled.');
      return reply.send(messageView(now));
    }),
  );
  app.post('/messages/:id/retry', { schema: retrySchema, config: { scope: 'send' } }, (request, reply) =>
    answered(request, reply, async () => {
      const { message } = await find(request, messages);
      const outcome = await messages.retry(message.id);
      if (outcome !== 'queued') return notRetried(request, reply, outcome, await find(request, messages));
      request.log.info({ message: message.id, client: request.client.name }, 'message queued again');
      return reply.code(202).send(messageView(await find(request, messages)));
    }),
  );
  const retryAll = { schema: retryAllSchema, attachValidation: true, config: { scope: 'admin' } } as const;
  app.post('/messages/retry', retryAll, (request, reply) =>
    answered(request, reply, async () => {
      const query = readRetryQuery(request.query as object, [...attachedErrors(request), ...bodyErrors(request)]);
      const retried = await messages.retryAll(query);
      request.log.warn({ audit: 'retry', ...query, retried, client: request.client.name }, 'messages queued again');
      return reply.code(202).send({ retried });
    }),
  );
}

/** The query as it is documented, but for the numbers in it, which come as strings. */
const compileQuery: FastifySchemaCompiler<TSchema> = (route) =>
  compileShape(route.schema === ListQuery ? { ...route, schema: ListShape } : route);

/** A filter that stands in the body would be overlooked, and everything that failed sent again. */
function bodyErrors({ body }: FastifyRequest): readonly FieldError[] {
  if (body === undefined || body === null) return [];
  if (typeof body === 'object' && Object.keys(body).length === 0) return [];
  return [
    { field: 'body', message: 'Is not read here: choose by the query, like ?mailbox=noreply@contoso.com&code=535.' },
  ];
}

/** What is no refusal of ours is Redis's: it is all that these routes can fail for. */
async function answered(
  request: FastifyRequest,
  reply: FastifyReply,
  act: () => Promise<FastifyReply>,
): Promise<FastifyReply> {
  try {
    return await act();
  } catch (error) {
    if (error instanceof RequestError) throw error;
    request.log.error({ err: error }, 'the messages can not be looked at');
    return sendProblem(request, reply, 'queue-unavailable', { detail: 'The messages can not be looked at now.' });
  }
}

/** Another client's message is as good as none: its id must not be told from one that does not exist. */
async function find(request: FastifyRequest, messages: MessageAdmin): Promise<FoundMessage> {
  const { id } = request.params as Static<typeof Params>;
  const found = ID.test(id) ? await messages.find(id) : undefined;
  if (found && maySee(request.client, found.message)) return found;
  throw new RequestError('message-not-found', { detail: 'There is no message with this id, or not any more.' });
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

const oneRefusals = guardedAnswers('message-not-found', 'url-too-long', 'queue-unavailable');

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

const changeRefusals = bodilessAnswers('message-not-found', 'url-too-long', 'wrong-state', 'queue-unavailable');

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
