/** `GET /messages/{id}`: what became of a message. Its content is never told. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { type Static, Type } from 'typebox';
import type { Attempt, Message, MessageState } from '../../core/message.ts';
import type { Standing } from '../../core/standing.ts';
import { maySee } from '../keys.ts';
import { sendProblem } from '../problems.ts';
import { jsonAnswer, problemAnswers } from '../schemas/answers.ts';
import { MESSAGE_EXAMPLE } from '../schemas/examples.ts';
import { MessageAnswer } from '../schemas/message.ts';

/** What is known of an accepted message; undefined when there is none. Rejects when the store can't be asked. */
export type FindMessage = (id: string) => Promise<FoundMessage | undefined>;

export interface FoundMessage {
  readonly message: Message;
  readonly state: MessageState;
  /** How its mailbox stands; told while the message waits for it. */
  readonly standing?: Standing;
  /** When its turn comes, while it waits for it. */
  readonly estimatedAt?: Date;
}

export interface MessageDependencies {
  readonly findMessage: FindMessage;
}

const Params = Type.Object({
  id: Type.String({ description: 'From the answer of `POST /send`.', examples: [MESSAGE_EXAMPLE.id] }),
});
/** Every id that was ever given out looks so; the store is not asked for others. */
const ID = /^[\w-]{1,64}$/;

export function messageRoute(app: FastifyInstance, { findMessage }: MessageDependencies): void {
  app.get('/messages/:id', { schema, config: { scope: 'read' } }, async (request, reply) => {
    const { id } = request.params as Static<typeof Params>;
    if (!ID.test(id)) return notFound(request, reply);
    try {
      const found = await findMessage(id);
      // Another client's message is as good as none: its id must not be told from one that does not exist.
      if (!found || !maySee(request.client, found.message)) return notFound(request, reply);
      return reply.send(view(found));
    } catch (error) {
      request.log.error({ err: error }, 'the message can not be looked up');
      return sendProblem(request, reply, 'queue-unavailable', { detail: 'The message can not be looked up now.' });
    }
  });
}

const schema = {
  operationId: 'getMessage',
  tags: ['Messages'],
  summary: 'What became of a mail',
  description: 'The status of a mail with every attempt, what Exchange replied, what it means and what mends it.',
  params: Params,
  response: {
    200: jsonAnswer('The mail as it stands.', MessageAnswer, MESSAGE_EXAMPLE),
    ...problemAnswers(
      'malformed-request',
      'unauthorized',
      'not-local',
      'forbidden',
      'message-not-found',
      'url-too-long',
      'internal',
      'queue-unavailable',
      'stopping',
    ),
  },
};

function notFound(request: FastifyRequest, reply: FastifyReply): FastifyReply {
  return sendProblem(request, reply, 'message-not-found', {
    detail: 'There is no message with this id, or not any more.',
  });
}

function view({ message, state, standing, estimatedAt }: FoundMessage): MessageAnswer {
  const { id, mailbox, from, to, cc, bcc, subject, messageId, metadata, acceptedAt } = message;
  const held = heldBy(state, standing);
  return {
    id,
    status: held ? 'held' : state.status,
    mailbox,
    from,
    to: [...to],
    cc: [...cc],
    bcc: [...bcc],
    subject,
    messageId,
    metadata,
    acceptedAt: acceptedAt.toISOString(),
    ...(held && { held }),
    ...(estimatedAt && { estimatedAt: estimatedAt.toISOString() }),
    ...(state.nextAttemptAt && { nextAttemptAt: state.nextAttemptAt.toISOString() }),
    ...(state.finishedAt && { finishedAt: state.finishedAt.toISOString() }),
    attempts: state.attempts.map(attemptView),
    recipients: [...state.recipients],
  };
}

/** What holds a message back that could go out but for its mailbox. */
function heldBy({ status }: MessageState, standing: Standing | undefined): MessageAnswer['held'] {
  if (standing?.state !== 'held' || (status !== 'queued' && status !== 'deferred')) return undefined;
  const { since, until, reason } = standing;
  return {
    ...(since && { since: since.toISOString() }),
    ...(until && { until: until.toISOString() }),
    explanation: reason?.explanation ?? 'Its mailbox is held.',
    ...(reason?.fix && { fix: reason.fix }),
    ...(reason?.reply && { reply: reason.reply }),
  };
}

function attemptView({ at, ...rest }: Attempt): MessageAnswer['attempts'][number] {
  return { at: at.toISOString(), ...rest };
}
