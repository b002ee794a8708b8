/** Ready mails: `curl --data-binary @mail.eml -H 'Content-Type: message/rfc822'`. What JSON has beside the mail is in the query. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { RawDraft } from '../core/message/raw-draft.ts';
import { RequestError } from './problems.ts';
import { SendQuery } from './schemas/send.ts';
import { wellShaped } from './schema-check.ts';

export const RFC822 = 'message/rfc822';

/** To be called in the context of the routes that read ready mails. */
export function readRawMails(app: FastifyInstance): void {
  app.addContentTypeParser(RFC822, { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
}

/** @throws RequestError when there is no mail. */
export function readRawMail(request: FastifyRequest): RawDraft {
  const bytes = request.body as Buffer;
  if (bytes.length === 0)
    throw new RequestError('invalid-message', { errors: [{ field: 'body', message: 'Is empty.' }] });
  const { to, mailbox, priority, sendAt, expiresAt } = wellShaped(request.query as object, SendQuery) as SendQuery;
  return {
    bytes,
    ...(to !== undefined && { recipients: [to].flat().flatMap((list) => list.split(',').map((one) => one.trim())) }),
    ...(mailbox !== undefined && { mailbox }),
    ...(priority !== undefined && { priority: priority as NonNullable<RawDraft['priority']> }),
    ...(sendAt !== undefined && { sendAt }),
    ...(expiresAt !== undefined && { expiresAt }),
  };
}
