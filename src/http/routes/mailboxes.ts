/** `/mailboxes`: the status of each, the reason and the fix; and to pause, resume or verify it. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { type Static, Type } from 'typebox';
import { type Diagnosis, STEP_TITLES } from '../../core/admin/diagnosis.ts';
import type { MailboxAdmin, MailboxReport, PoolReport } from '../../core/admin/mailbox-admin.ts';
import type { Blocked } from '../../core/mailbox/status.ts';
import { sendProblem } from '../problems.ts';
import type { SchemaTypes } from '../schema-check.ts';
import { bodilessAnswers, jsonAnswer, guardedAnswers } from '../schemas/answers.ts';
import { CHECKUP_EXAMPLE, MAILBOX_EXAMPLE, POOL_EXAMPLE } from '../schemas/examples.ts';
import { CheckupAnswer, MailboxAnswer, MailboxList, type PoolAnswer } from '../schemas/mailbox.ts';

export interface MailboxDependencies {
  readonly mailboxAdmin: MailboxAdmin;
}

const Params = Type.Object({
  id: Type.String({ description: "The mailbox's address.", examples: [MAILBOX_EXAMPLE.id] }),
});

export function mailboxRoutes(instance: FastifyInstance, { mailboxAdmin }: MailboxDependencies): void {
  const app = instance.withTypeProvider<SchemaTypes>();
  app.get('/mailboxes', { schema: listSchema, config: { scope: 'read' } }, async (_request, reply) => {
    const [mailboxes, pools] = await Promise.all([mailboxAdmin.list(), mailboxAdmin.pools()]);
    return reply.send({ items: mailboxes.map(view), pools: pools.map(poolView) });
  });
  app.get('/mailboxes/:id', { schema: oneSchema, config: { scope: 'read' } }, async (request, reply) =>
    answer(request, reply, await mailboxAdmin.find(idOf(request.params))),
  );
  for (const action of ['pause', 'resume'] as const) {
    const options = { schema: schemas[action], config: { scope: 'admin' } as const };
    app.post(`/mailboxes/:id/${action}`, options, async (request, reply) => {
      const id = idOf(request.params);
      if (!(await mailboxAdmin.find(id))) return notFound(request, reply);
      await mailboxAdmin[action](id);
      request.log.warn({ audit: action, mailbox: id, client: request.client.name }, `mailbox ${action}d`);
      return answer(request, reply, await mailboxAdmin.find(id));
    });
  }
  app.post('/mailboxes/:id/verify', { schema: verifySchema, config: { scope: 'admin' } }, async (request, reply) => {
    const id = idOf(request.params);
    const diagnosis = await mailboxAdmin.verify(id);
    if (!diagnosis) return notFound(request, reply);
    const { ok } = diagnosis;
    request.log.info({ audit: 'verify', mailbox: id, client: request.client.name, ok }, 'mailbox verified');
    return reply.send(checkupView(diagnosis));
  });
}

function idOf({ id }: Static<typeof Params>): string {
  return id.toLowerCase();
}

function answer(request: FastifyRequest, reply: FastifyReply, report: MailboxReport | undefined): FastifyReply {
  return report ? reply.send(view(report)) : notFound(request, reply);
}

function notFound(request: FastifyRequest, reply: FastifyReply): FastifyReply {
  return sendProblem(request, reply, 'mailbox-not-found', { detail: 'GET /mailboxes lists all mailboxes.' });
}

function view({ mailbox, mailboxStatus, queue, pools }: MailboxReport): MailboxAnswer {
  const { id, address, sendAs, limits } = mailbox;
  const { usage } = mailboxStatus;
  return {
    id,
    address,
    sendAs: [...sendAs],
    pools: [...pools],
    ...blockedView(mailboxStatus),
    usage: {
      connections: { used: usage.connections, reserved: usage.reservedConnections, limit: limits.connections },
      messagesPerMinute: { used: usage.messagesPerMinute, limit: limits.messagesPerMinute },
      recipientsPerDay: { used: usage.recipientsPerDay, limit: limits.recipientsPerDay },
    },
    queue: { ...queue },
  };
}

function poolView({ name, mailboxes, mailboxStatus, queue }: PoolReport): PoolAnswer {
  return { name, mailboxes: [...mailboxes], ...blockedView(mailboxStatus), queue: { ...queue } };
}

function blockedView({
  state,
  since,
  until,
  reason,
}: Blocked): Pick<PoolAnswer, 'state' | 'since' | 'until' | 'reason'> {
  return {
    state,
    ...(since && { since: since.toISOString() }),
    ...(until && { until: until.toISOString() }),
    ...(reason && { reason: { ...reason } }),
  };
}

function checkupView({ checkedAt, steps, ...rest }: Diagnosis): CheckupAnswer {
  const titled = steps.map((step) => ({ ...step, title: STEP_TITLES[step.id] }));
  return { ...rest, checkedAt: checkedAt.toISOString(), steps: titled };
}

const one = { 200: jsonAnswer('The mailbox.', MailboxAnswer, MAILBOX_EXAMPLE) };
const oneRefusals = guardedAnswers('mailbox-not-found', 'url-too-long', 'queue-unavailable');
const changeRefusals = bodilessAnswers('mailbox-not-found', 'url-too-long', 'queue-unavailable');

const listSchema = {
  operationId: 'listMailboxes',
  tags: ['Mailboxes'],
  summary: 'List mailboxes',
  description:
    'The status of each mailbox (open, throttled, held or paused), the reason and how to fix it, how much of its limits is ' +
    'used, and how many messages wait for each mailbox and pool.',
  response: {
    200: jsonAnswer('All mailboxes.', MailboxList, { items: [MAILBOX_EXAMPLE], pools: [POOL_EXAMPLE] }),
    ...guardedAnswers('queue-unavailable'),
  },
};

const oneSchema = {
  operationId: 'getMailbox',
  tags: ['Mailboxes'],
  summary: 'Get a mailbox',
  description: 'The same as in the list.',
  params: Params,
  response: { ...one, ...oneRefusals },
};

const verifySchema = {
  operationId: 'verifyMailbox',
  tags: ['Mailboxes'],
  summary: 'Check a mailbox from DNS to MAIL FROM',
  description:
    'The doctor: checks the configuration, DNS, the connection, TLS and its certificate, the token and its consent, the ' +
    'login and the permission to send. Says what is wrong and how to fix it, and sends no message. Takes up to a minute. ' +
    'Requires the scope `admin`.',
  params: Params,
  response: {
    200: jsonAnswer('The diagnosis; `ok` says whether messages can be sent.', CheckupAnswer, CHECKUP_EXAMPLE),
    ...changeRefusals,
  },
};

const schemas = {
  pause: {
    operationId: 'pauseMailbox',
    tags: ['Mailboxes'],
    summary: 'Pause a mailbox',
    description:
      'Messages in progress are finished. The others wait until the mailbox is resumed. Requires the scope `admin`.',
    params: Params,
    response: { ...one, ...changeRefusals },
  },
  resume: {
    operationId: 'resumeMailbox',
    tags: ['Mailboxes'],
    summary: 'Resume a mailbox',
    description: 'Ends a pause. A mailbox that is held or throttled is tried at once. Requires the scope `admin`.',
    params: Params,
    response: { ...one, ...changeRefusals },
  },
};
