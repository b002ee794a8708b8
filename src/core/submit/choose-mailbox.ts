/** Which mailbox or pool sends a message: the one that it names, else the one that owns its From, otherwise the first. */
import { type Client, maySendFrom, mayUseMailbox } from './client.ts';
import { type Directory, type Mailbox, maySendAs, ownerOf, poolAsMailbox } from '../mailbox/mailbox.ts';
import type { ReadDraft } from '../message/draft.ts';
import type { FieldError } from '../message/field-errors.ts';

export type NotChosen = { readonly kind: 'unknown' | 'sender-not-allowed'; readonly errors: readonly FieldError[] };
export type Chosen = { readonly kind: 'chosen'; readonly mailbox: Mailbox } | NotChosen;

/** Chooses among the mailboxes that the client may use. */
export function chooseMailbox(
  read: Pick<ReadDraft, 'from' | 'mailbox'>,
  client: Client,
  { mailboxes, pools }: Directory,
): Chosen {
  const allowed = (mailbox: Mailbox) => mayUseMailbox(client, mailbox.id);
  const own = mailboxes.filter(allowed);
  const named = read.mailbox?.toLowerCase();
  const known = [...own, ...pools.map(poolAsMailbox).filter(allowed)];
  const asked = named === undefined ? undefined : known.find(({ id }) => id === named);
  if (named !== undefined && !asked) return unknownMailbox(known);
  const from = read.from?.address;
  const mailbox = asked ?? (from === undefined ? own[0] : ownerOf(own, from));
  if (!mailbox || (from !== undefined && !maySendAs(mailbox, from))) return senderNotAllowed(asked ? [asked] : own);
  return maySendFrom(client, from ?? mailbox.address) ? { kind: 'chosen', mailbox } : keyNotAllowed(client);
}

function unknownMailbox(mailboxes: readonly Mailbox[]): NotChosen {
  const message = `Unknown mailbox. Known mailboxes: ${mailboxes.map(({ id }) => id).join(', ')}.`;
  return { kind: 'unknown', errors: [{ field: 'mailbox', message }] };
}

function senderNotAllowed(mailboxes: readonly Mailbox[]): NotChosen {
  const allowed = mailboxes.flatMap(({ address, sendAs }) => [address, ...sendAs]);
  const message = `No mailbox may send as this address. Leave from out, or use one of: ${allowed.join(', ')}.`;
  return { kind: 'sender-not-allowed', errors: [{ field: 'from', message }] };
}

function keyNotAllowed({ senders = [] }: Client): NotChosen {
  const message = `This API key may only send as: ${senders.join(', ')}.`;
  return { kind: 'sender-not-allowed', errors: [{ field: 'from', message }] };
}
