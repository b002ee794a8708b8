import { describe, expect, test } from 'vitest';
import { ENTRA_TABLE } from '../../../src/core/replies/entra-table.ts';
import { classify, classifyReply } from '../../../src/core/replies/classify.ts';
import { DAY_WAIT, HOLD_WAIT, SHORT_WAIT } from '../../../src/core/replies/classification.ts';
import { NETWORK_TABLE } from '../../../src/core/replies/network-table.ts';
import type { Outcome, Stage } from '../../../src/core/replies/outcome.ts';
import { parseReply } from '../../../src/core/replies/reply.ts';
import { REPLY_TABLE } from '../../../src/core/replies/reply-table.ts';
import { CONNECTION_SAID } from './real-replies/connection.ts';
import { ENTRA_SAID, NETWORK_SAID } from './real-replies/entra.ts';
import { MAILBOX_SAID } from './real-replies/mailbox.ts';
import { MESSAGE_SAID } from './real-replies/message.ts';
import type { Meaning, RealCodes } from './real-replies/real-reply.ts';
import { VARIANTS } from './real-replies/variants.ts';

const ALL_SAID = [...MAILBOX_SAID, ...CONNECTION_SAID, ...MESSAGE_SAID];
const SAID = ALL_SAID.flatMap((row) => row.said.map(([stage, text]) => [row.rule, stage, text, row] as const));

const reply = (text: string) => parseReply(text) ?? { code: 0, text: `no reply: ${text}` };
const codesOf = (rows: readonly RealCodes[]) =>
  rows.flatMap((row) => row.codes.map((code) => [row.rule, code, row] as const));

/** The classification that this row of the table must lead to. */
const meant = ({ rule, scope, action, explanation, fix }: Meaning) => ({
  id: rule,
  scope,
  action,
  known: true,
  explanation: expect.stringMatching(explanation),
  ...(fix && { fix: expect.stringMatching(fix) }),
});

describe('a known reply of Exchange is classified, explained and has a fix', () => {
  test.each(SAID)('%s, at %s: %s', (_rule, stage, text, row) => {
    const classification = classifyReply(reply(text), stage);
    expect(classification).toMatchObject(meant(row));
    if (!row.fix) expect(classification).not.toHaveProperty('fix');
    expect(classify({ kind: 'refused', stage, reply: reply(text), refused: [] })).toEqual(classification);
  });

  test('at any stage, and with the text in any case', () => {
    for (const [rule, , text] of SAID) {
      const { stages } = REPLY_TABLE.find(({ id }) => id === rule) ?? {};
      const { text: words, ...rest } = reply(text);
      for (const stage of stages ?? (['connect', 'auth', 'mail', 'rcpt', 'data', 'end'] as const)) {
        expect([classifyReply(reply(text), stage).id, text]).toEqual([rule, text]);
        expect([classifyReply({ ...rest, text: words.toUpperCase() }, stage).id, text]).toEqual([rule, text]);
      }
    }
  });
});

describe('a reply is also known in other words', () => {
  test.each(VARIANTS)('%s, at %s: %s', (rule, stage, text) => {
    expect(classifyReply(reply(text), stage).id).toBe(rule);
  });

  test('and with its words on several lines', () => {
    for (const [rule, stage, text] of SAID) {
      const [code = '', enhanced = '', ...words] = text.split(' ');
      const lines = words.map((word, n) => `${code}${n === words.length - 1 ? ' ' : '-'}${enhanced} ${word}`);
      expect([classifyReply(reply(lines.join('\r\n')), stage).id, text]).toEqual([rule, text]);
    }
  });

  test('and a server without a login fails no message', () => {
    for (const stage of ['auth', 'greeting'] as const) {
      const classification = classifyReply(reply('503 5.5.1 Error: authentication not enabled'), stage);
      expect(classification).toMatchObject({ scope: 'mailbox', action: 'hold' });
    }
  });

  test("and a recipient whose mailbox is full or closed does not hold the sender's", () => {
    for (const text of ['552 5.2.2 mailbox full', '550 5.2.1 Mailbox cannot be accessed']) {
      expect(classifyReply(reply(text), 'rcpt').scope).toBe('recipient');
      expect(classifyReply(reply(text), 'mail').scope).toBe('mailbox');
    }
  });
});

describe('every row of a table has a test', () => {
  test.each([
    ['replies of Exchange', REPLY_TABLE, ALL_SAID],
    ['refusals by Entra', ENTRA_TABLE, ENTRA_SAID],
    ['network failures', NETWORK_TABLE, NETWORK_SAID],
  ])('%s', (_title, table, said) => {
    expect(said.map(({ rule }) => rule)).toEqual(table.map(({ id }) => id));
  });

  test('and every code of a row of Entra', () => {
    for (const { id, codes } of ENTRA_TABLE) {
      expect(ENTRA_SAID.find(({ rule }) => rule === id)?.codes).toEqual(codes);
    }
  });

  test('and each row has its own name', () => {
    const ids = [...REPLY_TABLE, ...ENTRA_TABLE, ...NETWORK_TABLE].map(({ id }) => id);
    expect(ids).toEqual([...new Set(ids)]);
  });
});

describe('a refusal of a token is known', () => {
  test.each(codesOf(ENTRA_SAID))('%s by %s', (_rule, code, row) => {
    const error = `${code}: So says Entra. Trace ID: 1234`;
    expect(classify({ kind: 'no-token', code, error })).toMatchObject(meant(row));
    expect(classify({ kind: 'no-token', code, error }).explanation).toContain(error);
  });

  test.each([
    ['AADSTS4242', false],
    [undefined, true],
    ['ECODE', true],
  ])('and an unknown one (%s) also holds the mailbox', (code, known) => {
    const classification = classify({ kind: 'no-token', error: 'No.', ...(code !== undefined && { code }) });
    expect(classification).toMatchObject({ id: 'no-token', scope: 'mailbox', action: 'hold', known });
  });
});

describe('a network failure is known', () => {
  test.each(codesOf(NETWORK_SAID))('%s by %s, on the way to Exchange', (_rule, code, row) => {
    const classification = classify({ kind: 'broken', stage: 'connect', error: `connect ${code}`, code });
    expect(classification).toMatchObject({ ...meant(row), wait: SHORT_WAIT });
    expect(classification.explanation).toContain(`(connecting): connect ${code}`);
  });

  test.each(codesOf(NETWORK_SAID))('%s by %s, on the way to Entra', (rule, code, row) => {
    const classification = classify({ kind: 'no-token', error: `fetch ${code}`, code });
    const away = { explanation: /Entra is not reachable\..*fetch/, fix: /port 443 to login\.microsoftonline\.com/ };
    const isTls = rule === 'certificate' || rule === 'tls';
    expect(classification).toMatchObject({ ...meant({ ...row, ...(!isTls && away) }), wait: SHORT_WAIT });
    expect(classification.fix).not.toMatch(/587|SMTP_/);
  });
});

describe('a connection that breaks', () => {
  const broken = (stage: Stage, code?: string): Outcome & { kind: 'broken' } => ({
    kind: 'broken',
    stage,
    error: 'read ECONNRESET',
    ...(code !== undefined && { code }),
  });

  test.each<[Stage, string | undefined, string, string]>([
    ['connect', 'ECONNRESET', 'connection-failed', 'hold'],
    ['greeting', undefined, 'connection-failed', 'hold'],
    // A banner that is not SMTP. EPROTO is something else: it comes from OpenSSL.
    ['connect', 'EPROTOCOL', 'connection-failed', 'hold'],
    ['starttls', 'ECONNRESET', 'tls', 'hold'],
    ['auth', 'ECONNRESET', 'connection-failed', 'hold'],
    ['mail', 'ECONNRESET', 'connection-lost', 'retry'],
    ['rcpt', undefined, 'connection-lost', 'retry'],
    // The login succeeded, so the network is known to work, whatever the system reports.
    ['data', 'ETIMEDOUT', 'connection-lost', 'retry'],
  ])('at %s (%s) is classified as %s', (stage, code, id, action) => {
    expect(classify(broken(stage, code))).toMatchObject({ id, action, known: true });
    expect(classify(broken(stage, code)).explanation).toContain('read ECONNRESET');
  });

  test('because its worker gave up blames neither the mailbox nor Exchange', () => {
    expect(classify({ kind: 'given-up' })).toMatchObject({ id: 'given-up', scope: 'connection', action: 'retry' });
  });

  test('after the final dot may have succeeded', () => {
    expect(classify({ kind: 'unknown', error: 'read ECONNRESET' })).toMatchObject({
      id: 'unknown-outcome',
      scope: 'connection',
      action: 'retry',
      explanation: expect.stringMatching(/Exchange may have accepted it.*ECONNRESET/s),
    });
  });
});

test('a message that cannot be composed fails, and blocks nothing else', () => {
  expect(classify({ kind: 'uncomposable', error: 'No.' })).toMatchObject({
    id: 'uncomposable',
    scope: 'message',
    action: 'fail',
    explanation: 'The message cannot be composed: No.',
  });
});

describe('an unknown reply is classified by its class and reported as new', () => {
  test.each<[string, Stage, string, string]>([
    ['450 4.9.9 Something new', 'mail', 'connection', 'retry'],
    ['450 4.9.9 Something new', 'rcpt', 'recipient', 'retry'],
    ['451 Something new', 'end', 'connection', 'retry'],
    ['450 4.9.9 Something new', 'auth', 'connection', 'retry'],
    ['554 5.9.9 Something new', 'connect', 'mailbox', 'hold'],
    ['554 5.9.9 Something new', 'greeting', 'mailbox', 'hold'],
    ['550 5.9.9 Something new', 'auth', 'mailbox', 'hold'],
    ['530 5.9.9 Something new', 'mail', 'mailbox', 'hold'],
    ['550 5.9.9 Something new', 'mail', 'message', 'fail'],
    ['550 5.9.9 Something new', 'rcpt', 'recipient', 'fail'],
    ['550 5.9.9 Something new', 'end', 'message', 'fail'],
  ])('%s, at %s: %s, %s', (text, stage, scope, action) => {
    const classification = classifyReply(reply(text), stage);
    expect(classification).toMatchObject({ scope, action, known: false });
    expect(classification.id).toBe(text.startsWith('4') ? 'unlisted-4xx' : 'unlisted-5xx');
    expect(classification.explanation).toContain(text);
  });
});

test.each(['502 5.3.3 Command not implemented', '403 Something new', '554 5.9.9 Something new'])(
  'a refusal of STARTTLS is a TLS failure, whatever its words: %s',
  (text) => {
    expect(classifyReply(reply(text), 'starttls')).toMatchObject({
      id: 'tls',
      action: 'hold',
      wait: SHORT_WAIT,
      known: true,
      explanation: expect.stringMatching(new RegExp(`secured with TLS.*: ${text}$`)),
      fix: expect.stringContaining('firewall or antivirus'),
    });
  },
);

describe('the wait', () => {
  const waitOf = (text: string) => classifyReply(reply(text), 'end').wait;

  test.each([
    ['454 4.7.0 Temporary authentication failure', SHORT_WAIT],
    ['550 5.7.233 tenant external recipient rate limit', DAY_WAIT],
    ['554 5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException', DAY_WAIT],
    ['535 5.7.3 Authentication unsuccessful', undefined],
  ])('after %s', (text, wait) => {
    expect(waitOf(text)).toEqual(wait);
  });

  test('of an unknown refusal at the login is the wait of a hold', () => {
    expect(classifyReply(reply('550 5.9.9 New'), 'auth').wait).toEqual(HOLD_WAIT);
  });

  test.each([
    ['451 4.7.500 Server busy. Please try again in 5 minutes.', 300_000],
    ['451 4.7.500 Server busy. Retry-After: 30 seconds', 30_000],
    ['451 4.7.500 Server busy, retry after 1500 ms', 1_500],
    ['451 4.7.500 Server busy, wait 2 hours', 7_200_000],
    ['451 4.7.500 Server busy, wait 10s', 10_000],
    ['451 4.7.500 Server busy, wait 99999 hours', 24 * 3_600_000],
    // These numbers are not times.
    ['451 4.7.500 Server busy. Please try again later from [203.0.113.5]. (S77719)', undefined],
    ['451 4.7.0 Temporary server error. Please try again later. PRX5 [Hostname=A5.example]', undefined],
    ['432 4.3.2 Concurrent connections limit exceeded. [Hostname=LO4P123MB5678]', undefined],
  ])('is the one that the reply asks for: %s', (text, askedWaitMs) => {
    expect(classifyReply(reply(text), 'end').askedWaitMs).toBe(askedWaitMs);
  });
});
