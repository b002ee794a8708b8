/** A message as `GET /messages/{id}` tells it: what is known of it and what has happened to it, never its content. */
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
  { title: 'Reply', description: "Exchange's own words." },
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
    explanation: Type.String({ description: 'What happened, in plain words.' }),
    fix: Type.Optional(Type.String({ description: 'What mends it.' })),
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
        '`scheduled`: for its `sendAt`. `sent`: Exchange answered 250. `deferred`: a retry is due. `held`: its mailbox is ' +
        'held, or nobody knows whether it was sent and a person has to say. The rest speaks for itself.',
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
          until: Type.Optional(Type.String({ format: 'date-time', description: 'When the mailbox is tried next.' })),
          explanation: Type.String(),
          fix: Type.Optional(Type.String()),
          reply: Type.Optional(Reply),
        },
        {
          title: 'Held',
          description: 'Why its mailbox is held: a fault of the mailbox, which costs the message nothing.',
        },
      ),
    ),
    estimatedAt: Type.Optional(
      Type.String({
        format: 'date-time',
        description: "When the mailbox's limits and queue let it go, while it waits.",
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
    nextCursor: Type.Optional(Type.String({ description: 'For `?cursor=`; without it, this was the last page.' })),
  },
  { title: 'Messages' },
);

/** As it comes: a query holds strings. */
export const ListShape = Type.Object(
  {
    status: Type.Optional(Type.String({ enum: [...MESSAGE_STATUSES], description: 'Only those with this status.' })),
    mailbox: Type.Optional(Type.String({ description: "A mailbox's address, or a pool's name." })),
    limit: Type.Optional(Type.String()),
    cursor: Type.Optional(Type.String({ description: 'The `nextCursor` of the page before.' })),
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
      Type.Integer({ minimum: 1, maximum: LIMIT_MAX, default: LIMIT_DEFAULT, description: 'How many at most.' }),
    ),
  },
  { additionalProperties: false },
);

export const RetryQuery = Type.Object(
  {
    mailbox: Type.Optional(Type.String({ description: 'Only those of this mailbox or pool.' })),
    since: Type.Optional(Type.String({ description: 'Only those that ended then or later.' })),
    code: Type.Optional(
      Type.String({ description: 'Only those whose last reply had this code (`535`) or enhanced code (`5.7.3`).' }),
    ),
  },
  { additionalProperties: false },
);
export type RetryQuery = Static<typeof RetryQuery>;

export const RetryAnswer = Type.Object({ retried: Type.Integer() }, { title: 'Retried' });
