/** A mailbox as `GET /mailboxes` shows it. */
import { type Static, Type } from 'typebox';
import { STEP_TITLES } from '../../core/admin/diagnosis.ts';
import { Reply, Timestamp } from './message.ts';

const Use = Type.Object(
  { used: Type.Integer(), limit: Type.Integer({ description: '0: no limit.' }) },
  { title: 'Use' },
);

const ConnectionUse = Type.Object(
  {
    used: Type.Integer({ description: 'Open connections, idle ones included.' }),
    reserved: Type.Integer({ description: 'Connections that workers may open, and have not opened yet.' }),
    limit: Type.Integer({ description: '0 = no limit.' }),
  },
  { title: 'ConnectionUse' },
);

const QueueDepth = Type.Object(
  {
    waiting: Type.Integer({ description: 'Messages that wait for their turn or for the mailbox.' }),
    delayed: Type.Integer({ description: 'Messages that wait for their next attempt or their `sendAt`.' }),
    underWay: Type.Integer({ description: 'Messages that are being sent.' }),
  },
  { title: 'QueueDepth' },
);

/** What a mailbox and a pool have in common. */
const Blocked = {
  state: Type.String({
    enum: ['open', 'throttled', 'held', 'paused'],
    description:
      '`throttled`: a limit is reached, or Microsoft asks to slow down. `held`: the mailbox, its credential or the network ' +
      'has a fault; sending is tried again automatically. `paused`: paused through the API.',
  }),
  since: Type.Optional(Timestamp),
  until: Type.Optional(Type.String({ format: 'date-time', description: 'When sending continues or is tried again.' })),
  reason: Type.Optional(
    Type.Object(
      {
        rule: Type.Optional(Type.String({ description: 'The rule in docs/replies.md.' })),
        explanation: Type.String(),
        fix: Type.Optional(Type.String()),
        source: Type.Optional(Type.String()),
        reply: Type.Optional(Reply),
      },
      { title: 'Reason' },
    ),
  ),
};

export const MailboxAnswer = Type.Object(
  {
    id: Type.String(),
    address: Type.String(),
    sendAs: Type.Array(Type.String()),
    pools: Type.Array(Type.String()),
    ...Blocked,
    usage: Type.Object(
      { connections: ConnectionUse, messagesPerMinute: Use, recipientsPerDay: Use },
      {
        title: 'Usage',
        description:
          'Of all workers together: open connections, messages in the last minute, recipients in the last 24 hours.',
      },
    ),
    queue: QueueDepth,
  },
  { title: 'Mailbox' },
);
export type MailboxAnswer = Static<typeof MailboxAnswer>;

export const PoolAnswer = Type.Object(
  {
    name: Type.String(),
    mailboxes: Type.Array(Type.String(), { description: 'The ids of its mailboxes.' }),
    ...Blocked,
    queue: QueueDepth,
  },
  { title: 'Pool', description: 'A pool is held when none of its mailboxes can send.' },
);
export type PoolAnswer = Static<typeof PoolAnswer>;

export const MailboxList = Type.Object(
  {
    items: Type.Array(MailboxAnswer),
    pools: Type.Array(PoolAnswer, { description: 'Each pool, with the messages that wait for any of its mailboxes.' }),
  },
  { title: 'Mailboxes' },
);

export const CheckupAnswer = Type.Object(
  {
    mailbox: Type.String(),
    checkedAt: Timestamp,
    ok: Type.Boolean({ description: 'No step failed.' }),
    steps: Type.Array(
      Type.Object(
        {
          id: Type.String({ enum: Object.keys(STEP_TITLES) }),
          title: Type.String(),
          status: Type.String({ enum: ['ok', 'warning', 'failed', 'skipped'] }),
          seen: Type.String({ description: 'What was seen, or why it could not be looked at.' }),
          meaning: Type.Optional(Type.String()),
          fix: Type.Optional(Type.String()),
        },
        { title: 'DiagnosisStep' },
      ),
    ),
  },
  { title: 'Diagnosis' },
);
export type CheckupAnswer = Static<typeof CheckupAnswer>;
