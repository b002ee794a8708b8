/** A message that was tried twice, and how it stands. */
import type { Message, MessageState } from '../../src/core/message/message.ts';
import { MAILBOX } from './app.ts';

export const MESSAGE: Message = {
  id: 'abc-1',
  client: 'shop',
  mailbox: MAILBOX.id,
  messageId: '<abc-1@contoso.com>',
  from: { name: 'Sales', address: 'sales@contoso.com' },
  to: [{ address: 'a@example.com' }],
  cc: [{ name: 'C', address: 'c@example.com' }],
  bcc: [{ address: 'b@example.com' }],
  subject: 'Hello',
  metadata: { order: '4711' },
  priority: 'normal',
  acceptedAt: new Date('2026-12-01T09:00:00Z'),
  expiresAt: new Date('2026-12-02T09:00:00Z'),
  sizeBytes: 1_234,
};

export const STATE: MessageState = {
  status: 'deferred',
  attempts: [
    {
      at: new Date('2026-12-01T09:00:01Z'),
      durationMs: 812,
      outcome: 'deferred',
      reply: { code: 451, enhanced: '4.7.0', text: 'Temporary server error.' },
      explanation: 'Exchange is busy.',
      fix: 'Nothing: it is tried again.',
    },
    { at: new Date('2026-12-01T09:00:31Z'), durationMs: 5, outcome: 'unknown', explanation: 'The connection ended.' },
  ],
  recipients: [
    { address: 'a@example.com', status: 'pending' },
    { address: 'c@example.com', status: 'failed', reply: { code: 550, text: 'No such user' } },
  ],
  nextAttemptAt: new Date('2026-12-01T09:01:31Z'),
};
