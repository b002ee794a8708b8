/** Who sends: the name of an API key, the mailboxes that it may use and the addresses that it may send as. */
import { addressKey } from '../message/address.ts';

export interface Client {
  readonly name: string;
  /** Mailboxes and pools that it may use; undefined: all. */
  readonly mailboxes?: readonly string[];
  /** Addresses, and domains as `@contoso.com`, that it may send from; undefined: all of its mailboxes. */
  readonly senders?: readonly string[];
  /** Unfinished messages, and bytes of their content, that it may have in the queues; undefined: the limit of all. */
  readonly queuedMessagesMax?: number;
  readonly queuedBytesMax?: number;
}

export function mayUseMailbox({ mailboxes }: Client, id: string): boolean {
  return mailboxes?.some((allowed) => addressKey(allowed) === id) ?? true;
}

export function maySendFrom({ senders }: Client, address: string): boolean {
  const key = addressKey(address);
  return (
    senders?.some((allowed) =>
      allowed.startsWith('@') ? key.endsWith(allowed.toLowerCase()) : addressKey(allowed) === key,
    ) ?? true
  );
}
