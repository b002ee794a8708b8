import { describe, expect, test, vi } from 'vitest';
import type { ExchangeRule } from '../../src/sandbox/exchange-script.ts';
import { BY_PASSWORD, request, MAILBOX, openTestExchange, openTestPool, seen, tokenLogin } from './exchange.ts';

describe('a connection', () => {
  test('is kept for the next messages', async () => {
    const exchange = await openTestExchange();
    const pool = openTestPool(exchange);
    expect(pool.connections).toBe(0);
    for (let n = 0; n < 3; n += 1) expect(seen(await pool.deliver(request()))).toBe('accepted 250');
    expect([exchange.logins.length, exchange.messages.length, pool.connections]).toEqual([1, 3, 1]);
  });

  test('is opened for each message that is sent at the same time, and no more', async () => {
    const exchange = await openTestExchange();
    const pool = openTestPool(exchange);
    for (let n = 0; n < 2; n += 1) await Promise.all([1, 2, 3].map(() => pool.deliver(request())));
    expect([exchange.logins.length, exchange.messages.length, pool.connections]).toEqual([3, 6, 3]);
  });

  test('counts from the moment when it is opened', async () => {
    const exchange = await openTestExchange();
    const pool = openTestPool(exchange);
    const counted: number[] = [];
    const match = () => counted.push(pool.connections) < 0;
    exchange.script({ stage: 'connect', match });
    await pool.deliver(request());
    expect(counted).toEqual([1]);
  });

  test.each([
    ['MAIL FROM', 'mail', '550 5.7.60 SMTP; Client does not have permissions to send as this sender'],
    ['every recipient', 'rcpt', '550 5.1.10 Recipient not found'],
    ['DATA', 'data', '452 4.3.1 Insufficient system resources'],
    ['the message', 'end', '554 5.6.0 Corrupt message content'],
  ] as const)('is used for the next message after a refusal of %s', async (_what, stage, reply) => {
    const exchange = await openTestExchange();
    const pool = openTestPool(exchange);
    exchange.script({ stage, reply });
    expect(seen(await pool.deliver(request()))).toBe(`refused at ${stage} ${reply.slice(0, 3)}`);
    expect(seen(await pool.deliver(request()))).toBe('accepted 250');
    expect(exchange.logins).toHaveLength(1);
  });

  test('is not used again when Exchange wants to end it', async () => {
    const exchange = await openTestExchange();
    const pool = openTestPool(exchange);
    exchange.script({ stage: 'end', reply: '421 4.3.2 Service not available, closing transmission channel' });
    expect(seen(await pool.deliver(request()))).toBe('refused at end 421');
    expect(pool.connections).toBe(0);
    expect(seen(await pool.deliver(request()))).toBe('accepted 250');
  });

  test('that Exchange ended while it was idle is forgotten', async () => {
    const exchange = await openTestExchange();
    const pool = openTestPool(exchange);
    await pool.deliver(request());
    exchange.disconnectAll();
    await vi.waitUntil(() => pool.connections === 0);
    expect(seen(await pool.deliver(request()))).toBe('accepted 250');
  });

  test.each<[string, ExchangeRule]>([
    ['it breaks at', { stage: 'mail', drop: true }],
    ['it is ended with a 421 at', { stage: 'mail', reply: '421 4.4.2 Connection timed out.' }],
    ['it breaks at the recipients after', { stage: 'rcpt', drop: true }],
  ])('that was kept and turns out to be dead is replaced: %s the next MAIL FROM', async (_title, rule) => {
    const exchange = await openTestExchange();
    const pool = openTestPool(exchange);
    await pool.deliver(request());
    exchange.script(rule);
    expect(seen(await pool.deliver(request()))).toBe('accepted 250');
    expect([exchange.logins.length, exchange.messages.length]).toEqual([2, 2]);
  });
});

describe('the number of connections', () => {
  test('falls at once when fewer are allowed, idle ones first', async () => {
    const exchange = await openTestExchange();
    const pool = openTestPool(exchange);
    await Promise.all([1, 2, 3].map(() => pool.deliver(request())));
    pool.setConnections(1);
    expect(pool.connections).toBe(1);
    await vi.waitUntil(() => exchange.connections(MAILBOX).open === 1);
    expect(seen(await pool.deliver(request()))).toBe('accepted 250');
    expect(exchange.logins).toHaveLength(3);
  });

  test('falls after the message that a connection is busy with', async () => {
    const exchange = await openTestExchange();
    const pool = openTestPool(exchange);
    const delivery = pool.deliver(request({ markFinalDot: async () => pool.setConnections(0) }));
    expect(seen(await delivery)).toBe('accepted 250');
    expect(pool.connections).toBe(0);
    await vi.waitUntil(() => exchange.connections(MAILBOX).open === 0);
  });
});

describe('a pool that is closed', () => {
  test('says goodbye on its idle connections, and may be closed twice', async () => {
    const exchange = await openTestExchange();
    const pool = openTestPool(exchange);
    await pool.deliver(request());
    pool.close();
    pool.close();
    expect(pool.connections).toBe(0);
    await vi.waitUntil(() => exchange.connections(MAILBOX).open === 0);
  });

  test('finishes the running message', async () => {
    const exchange = await openTestExchange();
    const pool = openTestPool(exchange);
    expect(seen(await pool.deliver(request({ markFinalDot: async () => pool.close() })))).toBe('accepted 250');
    await vi.waitUntil(() => exchange.connections(MAILBOX).open === 0);
  });

  test('by force aborts the running message', async () => {
    const exchange = await openTestExchange();
    const pool = openTestPool(exchange);
    const markFinalDot = async () => pool.close({ force: true });
    expect(seen(await pool.deliver(request({ markFinalDot })))).toBe('broken at data');
    expect(pool.connections).toBe(0);
    await vi.waitUntil(() => exchange.connections(MAILBOX).open === 0);
    expect(exchange.messages).toEqual([]);
  });

  test('by force reports an unknown outcome for a message whose final dot was sent', async () => {
    const exchange = await openTestExchange();
    const pool = openTestPool(exchange);
    const match = () => {
      setImmediate(() => pool.close({ force: true }));
      return true;
    };
    exchange.script({ stage: 'end', match, delayMs: Number.POSITIVE_INFINITY });
    expect(seen(await pool.deliver(request()))).toBe('unknown');
  });
});

describe('the outcome of a message', () => {
  test('names the recipients that were refused, each with its reply', async () => {
    const exchange = await openTestExchange();
    exchange.script({ stage: 'rcpt', recipient: 'gone@example.com', reply: '550 5.1.10 Recipient not found' });
    const outcome = await openTestPool(exchange).deliver(
      request({ recipients: ['a@example.com', 'gone@example.com'] }),
    );
    expect(outcome).toMatchObject({
      kind: 'accepted',
      reply: { code: 250, enhanced: '2.0.0' },
      refused: [{ address: 'gone@example.com', reply: { code: 550, enhanced: '5.1.10', text: 'Recipient not found' } }],
    });
    expect(exchange.messages[0]?.recipients).toEqual(['a@example.com']);
  });

  test.each<[string, ExchangeRule, string]>([
    ['a banner of 421', { stage: 'connect', reply: '421 4.3.2 Service not available' }, 'refused at connect 421'],
    ['a banner of 554', { stage: 'connect', reply: '554 5.3.2 No' }, 'refused at connect 554'],
    ['EHLO refused', { stage: 'ehlo', reply: '550 5.7.1 No', times: 9 }, 'refused at greeting 550'],
    ['STARTTLS refused', { stage: 'starttls', reply: '454 4.7.0 TLS not available' }, 'refused at starttls 454'],
    ['a login refused', { stage: 'auth', reply: '550 5.2.1 Mailbox cannot be accessed' }, 'refused at auth 550'],
    [
      '421 to the login',
      { stage: 'auth', reply: '421 4.7.66 TLS 1.0 and 1.1 are not supported' },
      'refused at auth 421',
    ],
    ['421 to MAIL FROM', { stage: 'mail', reply: '421 4.3.2 Service not available' }, 'refused at mail 421'],
    ['421 to DATA', { stage: 'data', reply: '421 4.3.2 Service not available' }, 'refused at data 421'],
    ['421 at the end', { stage: 'end', reply: '421 4.3.2 Service not available' }, 'refused at end 421'],
  ])('is the reply, whichever side closes the connection after it: %s', async (_title, rule, expected) => {
    const exchange = await openTestExchange();
    exchange.script(rule);
    const outcome = await openTestPool(exchange).deliver(request());
    expect(seen(outcome)).toBe(expected);
    expect(outcome).toMatchObject({ reply: { text: rule.reply?.split(' ').slice(2).join(' ') } });
  });

  test.each<[string, ExchangeRule, string]>([
    ['before the banner', { stage: 'connect', drop: true }, 'broken at connect'],
    ['at EHLO', { stage: 'ehlo', drop: true }, 'broken at connect'],
    ['at STARTTLS', { stage: 'starttls', drop: true }, 'broken at connect'],
    ['at the login', { stage: 'auth', drop: true }, 'broken at auth'],
    ['at MAIL FROM', { stage: 'mail', drop: true }, 'broken at mail'],
    ['at DATA', { stage: 'data', drop: true }, 'broken at mail'],
    ['after the final dot', { stage: 'end', drop: true }, 'unknown'],
    ['after the message was taken', { stage: 'end', drop: true, accept: true }, 'unknown'],
  ])('is broken when the connection ends %s', async (_title, rule, expected) => {
    const exchange = await openTestExchange();
    exchange.script(rule);
    const pool = openTestPool(exchange);
    expect(seen(await pool.deliver(request()))).toBe(expected);
    expect(pool.connections).toBe(0);
  });

  test('is the refusal of its size, when the server names a smaller one in EHLO', async () => {
    const exchange = await openTestExchange();
    exchange.script({
      stage: 'ehlo',
      match: ({ secure }) => secure,
      reply: '250-exchange.example Hello\r\n250-SIZE 100\r\n250 AUTH LOGIN XOAUTH2',
    });
    const outcome = await openTestPool(exchange).deliver(request({ bytes: Buffer.alloc(101, 'a') }));
    expect(outcome).toMatchObject({ kind: 'refused', stage: 'mail', reply: { code: 552, enhanced: '5.3.4' } });
    expect(exchange.attempts).toEqual([]);
  });
});

describe('an address that is not ASCII', () => {
  const abroad = request({ recipients: ['a@example.com', 'zoë@example.com'] });

  test('is sent to Exchange, which offers SMTPUTF8', async () => {
    const exchange = await openTestExchange();
    expect(seen(await openTestPool(exchange).deliver(abroad))).toBe('accepted 250');
    expect(exchange.messages[0]?.recipients).toEqual(abroad.recipients);
  });

  test('is not sent to a server without SMTPUTF8, which still accepts the next message', async () => {
    const exchange = await openTestExchange();
    exchange.script({
      stage: 'ehlo',
      match: ({ secure }) => secure,
      reply: '250-exchange.example Hello\r\n250 AUTH LOGIN XOAUTH2',
    });
    const pool = openTestPool(exchange);
    const outcome = await pool.deliver(abroad);
    expect(outcome).toMatchObject({ kind: 'refused', stage: 'mail', reply: { code: 553, enhanced: '5.6.7' } });
    expect(exchange.attempts).toEqual([]);
    expect(seen(await pool.deliver(request()))).toBe('accepted 250');
  });
});

describe('the final dot', () => {
  test('is sent only after markFinalDot', async () => {
    const exchange = await openTestExchange();
    const { promise: noted, resolve: note } = Promise.withResolvers<void>();
    const { promise: asked, resolve: ask } = Promise.withResolvers<void>();
    const delivery = openTestPool(exchange).deliver(
      request({
        markFinalDot: () => {
          ask();
          return noted;
        },
      }),
    );
    await asked;
    await new Promise((resolve) => setImmediate(resolve));
    expect(exchange.messages).toEqual([]);
    note();
    expect(seen(await delivery)).toBe('accepted 250');
    expect(exchange.messages).toHaveLength(1);
  });

  test('is never sent if markFinalDot fails', async () => {
    const exchange = await openTestExchange();
    const pool = openTestPool(exchange);
    const markFinalDot = async () => {
      throw new Error('Redis is gone.');
    };
    expect(await pool.deliver(request({ markFinalDot }))).toMatchObject({
      kind: 'broken',
      stage: 'data',
      error: expect.stringContaining('Redis is gone.'),
    });
    expect(pool.connections).toBe(0);
    await vi.waitUntil(() => exchange.connections(MAILBOX).open === 0);
    expect(exchange.messages).toEqual([]);
  });

  test('is never sent if the connection ends during markFinalDot', async () => {
    const exchange = await openTestExchange();
    const markFinalDot = async () => {
      exchange.disconnectAll();
      await vi.waitUntil(() => exchange.connections(MAILBOX).open === 0);
      await new Promise((resolve) => setTimeout(resolve, 20));
    };
    expect(seen(await openTestPool(exchange).deliver(request({ markFinalDot })))).toMatch(/^broken at data/);
    expect(exchange.messages).toEqual([]);
  });
});

describe('a message that must no longer be sent', () => {
  test('is aborted before its final dot', async () => {
    const exchange = await openTestExchange();
    const pool = openTestPool(exchange);
    const stop = new AbortController();
    const markFinalDot = async () => stop.abort();
    expect(await pool.deliver(request({ signal: stop.signal, markFinalDot }))).toEqual({ kind: 'given-up' });
    await vi.waitUntil(() => exchange.connections(MAILBOX).open === 0);
    expect(exchange.messages).toEqual([]);
  });

  test('is awaited after its final dot: the reply says whether it was sent', async () => {
    const exchange = await openTestExchange();
    const pool = openTestPool(exchange);
    const stop = new AbortController();
    const match = () => {
      stop.abort();
      return true;
    };
    exchange.script({ stage: 'end', match, delayMs: 50 });
    expect(seen(await pool.deliver(request({ signal: stop.signal })))).toBe('accepted 250');
  });

  test('opens no connection instead of a kept one', async () => {
    const exchange = await openTestExchange();
    const pool = openTestPool(exchange);
    await pool.deliver(request());
    const stop = new AbortController();
    const match = () => {
      stop.abort();
      return true;
    };
    exchange.script({ stage: 'mail', match });
    expect(await pool.deliver(request({ signal: stop.signal }))).toEqual({ kind: 'given-up' });
    expect(exchange.logins).toHaveLength(1);
  });

  test.each(['auth', 'connect'] as const)('begins none when it was still at %s', async (stage) => {
    const exchange = await openTestExchange();
    const stop = new AbortController();
    exchange.script({
      stage,
      match: () => {
        stop.abort();
        return true;
      },
    });
    expect(seen(await openTestPool(exchange).deliver(request({ signal: stop.signal })))).toBe('given-up');
    await vi.waitUntil(() => exchange.connections(MAILBOX).open === 0);
    expect(exchange.messages).toEqual([]);
  });
});

describe('a token that Exchange refuses', () => {
  test('is renewed once, and the message is sent', async () => {
    const exchange = await openTestExchange();
    exchange.goodTokens.add('new');
    const login = tokenLogin('old', 'new');
    expect(seen(await openTestPool(exchange, login).deliver(request()))).toBe('accepted 250');
    expect(login.asked).toEqual([false, true]);
    expect(exchange.logins.map(({ reply }) => reply.slice(0, 3))).toEqual(['535', '235']);
  });

  test('and whose renewed token is refused, too, is reported as it is', async () => {
    const exchange = await openTestExchange();
    const login = tokenLogin('old', 'new', 'newer');
    expect(seen(await openTestPool(exchange, login).deliver(request()))).toBe('refused at auth 535');
    expect(login.asked).toEqual([false, true]);
    expect(exchange.logins).toHaveLength(2);
  });

  test('is not used again if Entra issues no other', async () => {
    const exchange = await openTestExchange();
    const login = tokenLogin('old');
    expect(seen(await openTestPool(exchange, login).deliver(request()))).toBe('refused at auth 535');
    expect(exchange.logins).toHaveLength(1);
  });

  test('for another reason is not renewed', async () => {
    const exchange = await openTestExchange();
    exchange.goodTokens.add('good');
    exchange.script({ stage: 'auth', reply: '454 4.7.0 Temporary authentication failure' });
    const login = tokenLogin('good');
    expect(seen(await openTestPool(exchange, login).deliver(request()))).toBe('refused at auth 454');
    expect(login.asked).toEqual([false]);
  });
});

test('a password that Exchange refuses is sent once', async () => {
  const exchange = await openTestExchange();
  const login = { ...BY_PASSWORD, password: 'wrong' } as const;
  expect(seen(await openTestPool(exchange, login).deliver(request()))).toBe('refused at auth 535');
  expect(exchange.logins).toHaveLength(1);
});

test('without a token there is no connection to Exchange', async () => {
  const exchange = await openTestExchange();
  const getToken = async () => ({ ok: false, error: 'AADSTS7000222: expired', code: 'AADSTS7000222' }) as const;
  const pool = openTestPool(exchange, { kind: 'oauth', user: MAILBOX, getToken });
  exchange.script({ stage: 'connect', match: () => expect.unreachable('It connects.') });
  expect(await pool.deliver(request())).toEqual({
    kind: 'no-token',
    error: 'AADSTS7000222: expired',
    code: 'AADSTS7000222',
  });
  expect(pool.connections).toBe(0);
});
