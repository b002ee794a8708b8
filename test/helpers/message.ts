/** A message that was tried twice, and how it stands. */
import type { Message, MessageState } from '../../src/core/message/message.ts';
import type { FoundMessage, MessageAdmin } from '../../src/core/admin/message-admin.ts';
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

/** An admin who knows this one message. */
export function adminOf(found: FoundMessage): Partial<MessageAdmin> {
  const isMeant = (client?: string) => client === undefined || client === found.message.client;
  return {
    find: async ({ client }) => (isMeant(client) ? found : undefined),
    cancel: async () => ({ outcome: 'wrong-state', found }),
    retry: async () => ({ outcome: 'content-gone', found }),
  };
}
