/** Reads the queries that select messages: the shape was checked before, the values are checked here. */
import { type FieldError, FieldErrors } from '../core/message/field-errors.ts';
import type { FailureQuery, MessagePlace, MessageQuery } from '../core/admin/message-admin.ts';
import { readMoment } from '../core/message/schedule.ts';
import { RequestError } from './problems.ts';
import { LIMIT_DEFAULT, LIMIT_MAX, ListShape, RetryQuery } from './schemas/message.ts';
import { wellShaped } from './schema-check.ts';

/** @throws RequestError that names every parameter whose shape or value is wrong. */
export function readListQuery(query: object, shapeErrors: readonly FieldError[]): Omit<MessageQuery, 'client'> {
  const { status, mailbox, limit, cursor } = wellShaped(query, ListShape) as ListShape;
  const errors = new FieldErrors();
  const count = limit === undefined ? LIMIT_DEFAULT : Number(limit);
  if (!Number.isInteger(count) || count < 1 || count > LIMIT_MAX)
    errors.add('?limit', `Must be a whole number from 1 to ${LIMIT_MAX}.`);
  const after = cursor === undefined ? undefined : readCursor(cursor);
  if (cursor !== undefined && !after) errors.add('?cursor', 'Must be the nextCursor of an earlier answer, unchanged.');
  refuse([...shapeErrors, ...errors.all]);
  return {
    limit: count,
    ...(status && { status: status as NonNullable<MessageQuery['status']> }),
    ...(mailbox && { mailbox: mailbox.toLowerCase() }),
    ...(after && { after }),
  };
}

/** @throws RequestError that names every parameter whose shape or value is wrong. */
export function readRetryQuery(query: object, shapeErrors: readonly FieldError[]): FailureQuery {
  const { mailbox, since, code } = wellShaped(query, RetryQuery) as RetryQuery;
  const errors = new FieldErrors();
  const from = since === undefined ? undefined : readMoment(since, '?since', errors);
  if (code !== undefined && !/^(?:[45]\d\d|[45]\.\d{1,3}\.\d{1,3})$/.test(code))
    errors.add('?code', 'Must be an SMTP reply code like 535, or an enhanced status code like 5.7.3.');
  refuse([...shapeErrors, ...errors.all]);
  return {
    ...(mailbox && { mailbox: mailbox.toLowerCase() }),
    ...(from && { since: from }),
    ...(code !== undefined && { code }),
  };
}

function refuse(errors: readonly FieldError[]): void {
  if (errors.length > 0) throw new RequestError('invalid-message', { errors });
}

/** Where a page ended, encoded so that clients treat it as opaque. */
export function writeCursor({ acceptedAtMs, id }: MessagePlace): string {
  return Buffer.from(`${acceptedAtMs}.${id}`).toString('base64url');
}

function readCursor(cursor: string): MessagePlace | undefined {
  const [, time, id] = /^(\d{1,15})\.([\w-]{1,64})$/.exec(Buffer.from(cursor, 'base64url').toString()) ?? [];
  return time === undefined || id === undefined ? undefined : { acceptedAtMs: Number(time), id };
}
