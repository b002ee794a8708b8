/** Why a call of an admin has no answer. Anything else that such a call throws is a fault of ours. */

/** Redis cannot be reached, does not answer in time, or refuses to work. It may be back soon. */
export class QueueUnavailableError extends Error {
  override readonly name = 'QueueUnavailableError';
}

/** The record of this message is damaged. It stays so until a person restores or deletes it. */
export class UnreadableMessageError extends Error {
  override readonly name = 'UnreadableMessageError';
  readonly messageId: string;

  constructor(messageId: string, options?: ErrorOptions) {
    super(`The record of message ${messageId} is damaged.`, options);
    this.messageId = messageId;
  }
}
