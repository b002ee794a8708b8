import { describe, expect, test } from 'vitest';
import { mayUseMailbox, maySendFrom } from '../../../src/core/submit/client.ts';
import { EXCHANGE_LIMITS, type Mailbox, maySendAs, ownerOf, poolAsMailbox } from '../../../src/core/mailbox/mailbox.ts';

const mailbox = (address: string, more: Partial<Mailbox> = {}): Mailbox => ({
  id: address.toLowerCase(),
  address,
  sendAs: [],
  limits: EXCHANGE_LIMITS,
  ...more,
});
const SALES = mailbox('Sales@contoso.com', { sendAs: ['Info@contoso.com', 'support@contoso.com'] });
const SUPPORT = mailbox('support@contoso.com');

test('the limits are those of Exchange Online', () => {
  expect(EXCHANGE_LIMITS).toEqual({
    connections: 3,
    messagesPerMinute: 30,
    recipientsPerDay: 10_000,
    messageSizeBytesMax: 36_700_160,
  });
});

test.each([
  ['sales@CONTOSO.com', SALES],
  ['INFO@contoso.com', SALES],
  // Its own mailbox comes before one that may send as it.
  ['support@contoso.com', SUPPORT],
  ['other@contoso.com', undefined],
])('mail from %s goes through its mailbox', (address, owner) => {
  expect(ownerOf([SALES, SUPPORT], address)).toBe(owner);
  expect(maySendAs(SALES, address)).toBe(address !== 'other@contoso.com');
});

describe('a pool', () => {
  const limits = { connections: 3, messagesPerMinute: 30, recipientsPerDay: 10_000, messageSizeBytesMax: 100 };
  const pool = (...more: readonly Partial<typeof limits>[]) => {
    const [first = SALES, ...others] = more.map((one, n) =>
      mailbox(`m${n}@contoso.com`, { limits: { ...limits, ...one } }),
    );
    return poolAsMailbox({ name: 'news', members: [first, ...others] });
  };

  test('has the room of all its members, and the size that the smallest can carry', () => {
    expect(pool({}, { messagesPerMinute: 60, messageSizeBytesMax: 50 }, { connections: 1 })).toMatchObject({
      id: 'news',
      address: 'm0@contoso.com',
      limits: { connections: 7, messagesPerMinute: 120, recipientsPerDay: 30_000, messageSizeBytesMax: 50 },
    });
  });

  test('has no limit where a member has none', () => {
    expect(pool({}, { messagesPerMinute: 0 }).limits).toMatchObject({ connections: 6, messagesPerMinute: 0 });
  });

  test('sends as each of its members', () => {
    expect(poolAsMailbox({ name: 'news', members: [SALES, SUPPORT] }).sendAs).toEqual([
      'Sales@contoso.com',
      'Info@contoso.com',
      'support@contoso.com',
      'support@contoso.com',
    ]);
  });
});

describe('a key', () => {
  test('that is not limited may use every mailbox and send as all of its addresses', () => {
    expect([mayUseMailbox({ name: 'a' }, SALES.id), maySendFrom({ name: 'a' }, 'x@example.com')]).toEqual([true, true]);
  });

  test.each([
    ['sales@contoso.com', true],
    ['news', true],
    ['support@contoso.com', false],
  ])('for some mailboxes may use %s: %s', (id, allowed) => {
    expect(mayUseMailbox({ name: 'a', mailboxes: ['SALES@contoso.com', 'news'] }, id)).toBe(allowed);
  });

  test.each([
    ['Sales@Contoso.com', true],
    ['anyone@FABRIKAM.com', true],
    ['info@contoso.com', false],
    ['anyone@mail.fabrikam.com', false],
    ['anyone@notfabrikam.com', false],
    ['"x@fabrikam.com"@example.com', false],
  ])('for some senders may send from %s: %s', (address, allowed) => {
    expect(maySendFrom({ name: 'a', senders: ['sales@contoso.com', '@Fabrikam.com'] }, address)).toBe(allowed);
  });

  test('for no mailbox and no sender may nothing', () => {
    const key = { name: 'a', mailboxes: [], senders: [] };
    expect([mayUseMailbox(key, SALES.id), maySendFrom(key, SALES.address)]).toEqual([false, false]);
  });
});
