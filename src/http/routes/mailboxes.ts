/** `/mailboxes`: how each stands with Exchange, why, what mends it; and to pause or resume it. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { type Static, Type } from 'typebox';
import { type Diagnosis, STEP_TITLES } from '../../core/admin/checkup.ts';
import type { MailboxAdmin, MailboxReport, PoolReport } from '../../core/admin/mailbox-admin.ts';
import type { Blocked } from '../../core/mailbox/status.ts';
import { sendProblem } from '../problems.ts';
import { bodilessAnswers, jsonAnswer, guardedAnswers } from '../schemas/answers.ts';
import { CHECKUP_EXAMPLE, MAILBOX_EXAMPLE, POOL_EXAMPLE } from '../schemas/examples.ts';
import { CheckupAnswer, MailboxAnswer, MailboxList, type PoolAnswer } from '../schemas/mailbox.ts';

export interface MailboxDependencies {
  readonly mailboxAdmin: MailboxAdmin;
}

const Params = Type.Object({
  id: Type.String({ description: "The mailbox's address.", examples: [MAILBOX_EXAMPLE.id] }),
});

export function mailboxRoutes(app: FastifyInstance, { mailboxAdmin }: MailboxDependencies): void {
  app.get('/mailboxes', { schema: listSchema, config: { scope: 'read' } }, (request, reply) =>
    answered(request, reply, async () => {
      const [mailboxes, pools] = await Promise.all([mailboxAdmin.list(), mailboxAdmin.pools()]);
      return reply.send({ items: mailboxes.map(view), pools: pools.map(poolView) });
    }),
  );
  app.get('/mailboxes/:id', { schema: oneSchema, config: { scope: 'read' } }, (request, reply) =>
    answered(request, reply, async () => tell(request, reply, mailboxAdmin)),
  );
  for (const action of ['pause', 'resume'] as const) {
    app.post(`/mailboxes/:id/${action}`, { schema: schemas[action], config: { scope: 'admin' } }, (request, reply) =>
      answered(request, reply, async () => {
        const id = idOf(request);
        if (!(await mailboxAdmin.find(id))) return notFound(request, reply);
        await mailboxAdmin[action](id);
        request.log.warn({ audit: action, mailbox: id, client: request.client.name }, `mailbox ${action}d`);
        return tell(request, reply, mailboxAdmin);
      }),
    );
  }
  app.post('/mailboxes/:id/verify', { schema: verifySchema, config: { scope: 'admin' } }, (request, reply) =>
    answered(request, reply, async () => {
      const id = idOf(request);
      const diagnosis = await mailboxAdmin.verify(id);
      if (!diagnosis) return notFound(request, reply);
      request.log.info(
        { audit: 'verify', mailbox: id, client: request.client.name, ok: diagnosis.ok },
        'mailbox verified',
      );
      return reply.send(checkupView(diagnosis));
    }),
  );
}

/** Redis is all that these routes can fail for. */
async function answered(
  request: FastifyRequest,
  reply: FastifyReply,
  act: () => Promise<FastifyReply>,
): Promise<FastifyReply> {
  try {
    return await act();
  } catch (error) {
    request.log.error({ err: error }, 'the mailboxes can not be looked at');
    return sendProblem(request, reply, 'queue-unavailable', { detail: 'The mailboxes can not be looked at now.' });
  }
}

function idOf(request: FastifyRequest): string {
  return (request.params as Static<typeof Params>).id.toLowerCase();
}

async function tell(request: FastifyRequest, reply: FastifyReply, mailboxAdmin: MailboxAdmin): Promise<FastifyReply> {
  const report = await mailboxAdmin.find(idOf(request));
  return report ? reply.send(view(report)) : notFound(request, reply);
}

function notFound(request: FastifyRequest, reply: FastifyReply): FastifyReply {
  return sendProblem(request, reply, 'mailbox-not-found', { detail: 'GET /mailboxes lists those that there are.' });
}

function view({ mailbox, mailboxStatus, queue, pools }: MailboxReport): MailboxAnswer {
  const { id, address, sendAs, limits } = mailbox;
  const { usage } = mailboxStatus;
  return {
    id,
    address,
    sendAs: [...sendAs],
    pools: [...pools],
    ...restrainedView(mailboxStatus),
    usage: {
      connections: { used: usage.connections, reserved: usage.reservedConnections, limit: limits.connections },
      messagesPerMinute: { used: usage.messagesPerMinute, limit: limits.messagesPerMinute },
      recipientsPerDay: { used: usage.recipientsPerDay, limit: limits.recipientsPerDay },
    },
    queue: { ...queue },
  };
}

function poolView({ name, mailboxes, mailboxStatus, queue }: PoolReport): PoolAnswer {
  return { name, mailboxes: [...mailboxes], ...restrainedView(mailboxStatus), queue: { ...queue } };
}

function restrainedView({
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

const one = { 200: jsonAnswer('The mailbox as it stands.', MailboxAnswer, MAILBOX_EXAMPLE) };
const oneRefusals = guardedAnswers('mailbox-not-found', 'url-too-long', 'queue-unavailable');
const changeRefusals = bodilessAnswers('mailbox-not-found', 'url-too-long', 'queue-unavailable');

const listSchema = {
  operationId: 'listMailboxes',
  tags: ['Mailboxes'],
  summary: 'All mailboxes',
  description:
    'How each mailbox stands: open, throttled, held or paused, why, what mends it, and what it has used of its limits; ' +
    'and how many messages wait for each and for each pool.',
  response: {
    200: jsonAnswer('All mailboxes.', MailboxList, { items: [MAILBOX_EXAMPLE], pools: [POOL_EXAMPLE] }),
    ...guardedAnswers('queue-unavailable'),
  },
};

const oneSchema = {
  operationId: 'getMailbox',
  tags: ['Mailboxes'],
  summary: 'One mailbox',
  description: 'As in the list.',
  params: Params,
  response: { ...one, ...oneRefusals },
};

const verifySchema = {
  operationId: 'verifyMailbox',
  tags: ['Mailboxes'],
  summary: 'Check a mailbox from DNS to MAIL FROM',
  description:
    'The doctor: walks the chain from the configuration over DNS, port, TLS and certificate, token and consent to the ' +
    'login and the right to send, says what is wrong and what mends it, and sends no mail. Takes up to a minute. Needs ' +
    'the scope `admin`.',
  params: Params,
  response: {
    200: jsonAnswer('What was found; `ok` says whether mails can go out.', CheckupAnswer, CHECKUP_EXAMPLE),
    ...changeRefusals,
  },
};

const schemas = {
  pause: {
    operationId: 'pauseMailbox',
    tags: ['Mailboxes'],
    summary: 'Stop sending through a mailbox',
    description:
      'Messages under way are finished, the others wait until the mailbox is resumed. Needs the scope `admin`.',
    params: Params,
    response: { ...one, ...changeRefusals },
  },
  resume: {
    operationId: 'resumeMailbox',
    tags: ['Mailboxes'],
    summary: 'Send through a mailbox again',
    description: 'Ends a pause. A mailbox that is held or throttled is tried at once. Needs the scope `admin`.',
    params: Params,
    response: { ...one, ...changeRefusals },
  },
};
