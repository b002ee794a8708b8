/** A message as `GET /messages/{id}` shows it: its addresses, times and attempts, never its content. */
import { type Static, Type } from 'typebox';
import { MESSAGE_STATUSES } from '../../core/message/message.ts';

export const Timestamp = Type.String({ format: 'date-time' });
const PlainAddress = Type.Object(
  { name: Type.Optional(Type.String()), address: Type.String() },
  { title: 'PlainAddress' },
);

export const Reply = Type.Object(
  {
    code: Type.Integer({ description: 'SMTP reply code (RFC 5321).' }),
    enhanced: Type.Optional(Type.String({ description: 'Enhanced status code (RFC 3463).' })),
    text: Type.String(),
  },
  { title: 'Reply', description: 'The SMTP reply of Exchange.' },
);

const Attempt = Type.Object(
  {
    at: Timestamp,
    durationMs: Type.Integer(),
    outcome: Type.String({
      enum: ['sent', 'deferred', 'failed', 'unknown', 'interrupted', 'held', 'throttled'],
      description: '`unknown`: the connection ended after the whole message was sent and before Exchange answered.',
    }),
    reply: Type.Optional(Reply),
    explanation: Type.String({ description: 'What happened.' }),
    fix: Type.Optional(Type.String({ description: 'How to fix it.' })),
  },
  { title: 'Attempt' },
);

const Recipient = Type.Object(
  {
    address: Type.String(),
    status: Type.String({ enum: ['pending', 'sent', 'failed', 'canceled'] }),
    reply: Type.Optional(Reply),
  },
  { title: 'Recipient' },
);

export const MessageAnswer = Type.Object(
  {
    id: Type.String(),
    status: Type.String({
      enum: [...MESSAGE_STATUSES],
      description:
        '`scheduled`: waits for its `sendAt`. `queued`: waits for its mailbox. `sending`: an attempt is in progress. ' +
        '`deferred`: waits for its next attempt. `held`: its mailbox is held, or it is unknown whether it was sent and a ' +
        'person has to decide. `sent`: Exchange accepted it. `failed`: Exchange rejected it. `expired`: its time is over. ' +
        '`canceled`: canceled through the API.',
    }),
    mailbox: Type.String(),
    from: PlainAddress,
    to: Type.Array(PlainAddress),
    cc: Type.Array(PlainAddress),
    bcc: Type.Array(PlainAddress),
    subject: Type.String(),
    messageId: Type.String(),
    metadata: Type.Unsafe<Record<string, string>>({ type: 'object', additionalProperties: Type.String() }),
    acceptedAt: Timestamp,
    sendAt: Type.Optional(Timestamp),
    expiresAt: Type.String({ format: 'date-time', description: 'When relay365 stops trying.' }),
    held: Type.Optional(
      Type.Object(
        {
          since: Type.Optional(Timestamp),
          until: Type.Optional(Type.String({ format: 'date-time', description: 'When the mailbox is tried again.' })),
          explanation: Type.String(),
          fix: Type.Optional(Type.String()),
          reply: Type.Optional(Reply),
        },
        {
          title: 'Held',
          description: 'Why its mailbox is held. The message loses no attempt by it.',
        },
      ),
    ),
    estimatedAt: Type.Optional(
      Type.String({
        format: 'date-time',
        description: 'While the message waits: when it will probably be sent.',
      }),
    ),
    nextAttemptAt: Type.Optional(Timestamp),
    finishedAt: Type.Optional(Timestamp),
    attempts: Type.Array(Attempt),
    recipients: Type.Array(Recipient),
  },
  { title: 'Message' },
);
export type MessageAnswer = Static<typeof MessageAnswer>;

export const MessageList = Type.Object(
  {
    items: Type.Array(MessageAnswer),
    nextCursor: Type.Optional(Type.String({ description: 'The `cursor` of the next page. Missing on the last page.' })),
  },
  { title: 'Messages' },
);

/** As it is checked: a query holds strings. */
export const ListShape = Type.Object(
  {
    status: Type.Optional(Type.String({ enum: [...MESSAGE_STATUSES], description: 'Only messages with this status.' })),
    mailbox: Type.Optional(Type.String({ description: 'Only messages of this mailbox or pool.' })),
    limit: Type.Optional(Type.String()),
    cursor: Type.Optional(Type.String({ description: 'The `nextCursor` of the previous page.' })),
  },
  { additionalProperties: false },
);
export type ListShape = Static<typeof ListShape>;

export const LIMIT_DEFAULT = 25;
export const LIMIT_MAX = 100;

/** As it is documented. */
export const ListQuery = Type.Object(
  {
    ...ListShape.properties,
    limit: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: LIMIT_MAX,
        default: LIMIT_DEFAULT,
        description: 'The most messages of a page.',
      }),
    ),
  },
  { additionalProperties: false },
);

export const RetryQuery = Type.Object(
  {
    mailbox: Type.Optional(Type.String({ description: 'Only messages of this mailbox or pool.' })),
    since: Type.Optional(Type.String({ description: 'Only messages that ended at this time (RFC 3339) or later.' })),
    code: Type.Optional(
      Type.String({
        description: 'Only messages whose last reply had this code (`535`) or enhanced status code (`5.7.3`).',
      }),
    ),
  },
  { additionalProperties: false },
);
export type RetryQuery = Static<typeof RetryQuery>;

export const RetryAnswer = Type.Object({ retried: Type.Integer() }, { title: 'Retried' });
