/**
 * What reads something from outside, fed with what nobody would write: it answers or refuses as it promises, and what it
 * takes is safe. Whatever was found so is in corpus.ts, and is tried first.
 */
import fc from 'fast-check';
import type { InjectOptions } from 'fastify';
import { describe, expect, test } from 'vitest';
import { ConfigError, readConfig } from '../../src/config/config.ts';
import { readConfigFile } from '../../src/config/config-file.ts';
import { FieldErrors } from '../../src/core/message/field-errors.ts';
import { parseReply } from '../../src/core/replies/reply.ts';
import { completeRaw, readRawDraft } from '../../src/core/message/raw-draft.ts';
import { readSchedule } from '../../src/core/message/schedule.ts';
import { VARIABLES } from '../../src/config/variables.ts';
import { readListQuery } from '../../src/http/message-queries.ts';
import { RequestError } from '../../src/http/problems.ts';
import { makeBodyCipher } from '../../src/queue/records/body-cipher.ts';
import { CorruptRecordError, decodeContent, decodeRecord } from '../../src/queue/records/codec.ts';
import { newRecord } from '../../src/queue/records/records.ts';
import { headerValues } from '../../src/smtp/header-values.ts';
import { temporaryFile } from '../helpers/process.ts';
import { openTestApp } from '../helpers/app.ts';
import { MESSAGE } from '../helpers/message.ts';
import {
  BODIES,
  CONFIG_FILES,
  CURSORS,
  FORMS,
  IDEMPOTENCY_KEYS,
  MAILS,
  READY_MAILS,
  REPLIES,
  TIMES,
  VALUES_OF_VARIABLES,
} from './corpus.ts';

/** Text of pieces that mean something to the parser, and of some that mean nothing to anybody. */
function textOf(pieces: readonly string[], maxLength = 12): fc.Arbitrary<string> {
  const piece = fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom(...pieces) },
    { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 6 }) },
  );
  return fc.array(piece, { maxLength }).map((all) => all.join(''));
}

/** Holds for everything that was found before, and for many that are drawn. */
function hold<T>(found: readonly T[], drawn: fc.Arbitrary<T>, check: (input: T) => void, numRuns = 1_000): void {
  fc.assert(fc.property(drawn, check), { numRuns, examples: found.map((input): [T] => [input]) });
}

/** The answer, or undefined when it refused as it may. */
// biome-ignore lint/suspicious/noExplicitAny: any class of errors.
function unlessRefused<T>(refusal: new (...args: any[]) => Error, act: () => T): T | undefined {
  try {
    return act();
  } catch (error) {
    expect(error).toBeInstanceOf(refusal);
    return undefined;
  }
}

describe('a ready mail', () => {
  const NAMES = ['From', 'To', 'Bcc', 'Sender', 'Subject', 'Date', 'Message-ID', 'Resent-Bcc', 'X', 'FROM', 'bcc '];
  const VALUES = [
    'noreply@contoso.com',
    'a@example.com',
    '<',
    '>',
    '"',
    '(',
    ')',
    ',',
    ';',
    ':',
    '\\',
    '=?utf-8?q?=0D=0A?=',
  ];
  const ENDS = ['\r\n', '\n', '\r', '\r\n ', '\r\n\t', '\r\n\r\n', '\n\n', '.', '\0'];
  const line = fc.tuple(fc.constantFrom(...NAMES), textOf(VALUES, 5), fc.constantFrom(...ENDS));
  const likely = fc
    .array(line, { maxLength: 8 })
    .map((lines) => lines.map(([n, v, end]) => `${n}: ${v}${end}`).join(''));
  const mail = fc.oneof(likely, textOf([...NAMES, ...VALUES, ...ENDS, ': ']));

  test('goes out with one sender, no Bcc and CRLF alone, or is refused', () => {
    hold(READY_MAILS, mail, (text) => {
      const { read, errors } = readRawDraft({ bytes: Buffer.from(text), recipients: ['a@example.com'] }, headerValues);
      if (errors.length > 0) return;
      const from = read.from ?? { address: 'noreply@contoso.com' };
      const complete = { id: 'x', from, messageId: '<x@contoso.com>', acceptedAt: new Date(0) };
      const { added = '', raw } = completeRaw(read.raw, complete);
      const sent = added + raw.toString('latin1');
      expect(sent.replaceAll('\r\n', '')).not.toMatch(/[\r\n]/);
      const head = sent.slice(0, sent.indexOf('\r\n\r\n') >>> 0);
      expect(head.match(/^from[ \t]*:/gim)).toHaveLength(1);
      expect(head.match(/^date[ \t]*:/gim)).toHaveLength(1);
      expect(head.match(/^message-id[ \t]*:/gim)).toHaveLength(1);
      expect(head).not.toMatch(/^(resent-)?bcc[ \t]*:/im);
    });
  });
});

describe('a schedule', () => {
  const time = fc.oneof(
    textOf(['2026', '-', '02', '31', 'T', ' ', ':', '00', 'Z', '+', '23:59', '.', '999999999', 't', 'z'], 16),
    fc.date({ noInvalidDate: true }).map((date) => date.toISOString()),
  );
  test('is two moments within its bounds, or is refused', () => {
    const now = new Date('2026-02-27T12:00:00Z');
    hold(TIMES, time, (text) => {
      const errors = new FieldErrors();
      const { sendAt, expiresAt } = readSchedule({ sendAt: text, expiresAt: text }, now, 3_600_000, errors);
      readSchedule({ sendAt: text }, now, 3_600_000, new FieldErrors());
      if (errors.all.length > 0) return;
      expect(Number.isFinite(expiresAt.getTime())).toBe(true);
      expect(Number(sendAt ?? now)).toBeLessThanOrEqual(Number(now) + 30 * 86_400_000);
    });
  });
});

describe('relay365.yaml', () => {
  const yaml = textOf(
    [
      'mailboxes',
      'apiKeys',
      'pools',
      'address',
      'a@b.c',
      ': ',
      '\n',
      '  ',
      '- ',
      '[',
      ']',
      '{',
      '}',
      '&a',
      '*a',
      '<<',
    ].concat(['!!binary', '"', "'", '|', '#', '%', '---', '__proto__', 'null', '1', '~', ',', '? ']),
    20,
  );
  test('is read, or its faults are told with their place', () => {
    hold(CONFIG_FILES, yaml, (text) => {
      const { file, faults } = readConfigFile('f.yaml', text);
      for (const { where } of faults) expect(where).toMatch(/^f\.yaml/);
      expect(Object.getPrototypeOf(file.content)).toBe(Object.prototype);
    });
  });

  test('that would be billions of values is refused at once', () => {
    const lines = ['a: &a [x,x,x,x,x,x,x,x,x,x]'];
    for (const [from, to] of ['ab', 'bc', 'cd', 'de', 'ef', 'fg', 'gh', 'hi', 'ij']) {
      lines.push(`${to}: &${to} [${`*${from},`.repeat(10)}]`);
    }
    const file = temporaryFile('relay365.yaml', lines.join('\n'));
    expect(() => readConfig({ CONFIG_FILE: file }, 'all')).toThrow(ConfigError);
  });
});

describe('the environment', () => {
  const value = textOf([
    '=',
    ',',
    ':',
    '/',
    '0',
    '1e9',
    'x',
    ' ',
    '@',
    'redis://',
    'https://',
    'plain',
    '-',
    '.',
    '\n',
  ]);
  const variables = fc.dictionary(fc.constantFrom(...Object.keys(VARIABLES)), value, { maxKeys: 5 });
  const found = VALUES_OF_VARIABLES.map((text) =>
    Object.fromEntries(Object.keys(VARIABLES).map((name) => [name, text])),
  );
  test('is read, or all its faults are told', () => {
    hold<Record<string, string>>(found, variables, (env) => {
      unlessRefused(ConfigError, () => readConfig(env, 'all'));
    });
  });
});

describe("a server's reply", () => {
  const reply = textOf([
    '250',
    '550',
    '5.7.1',
    '-',
    ' ',
    '\r\n',
    '\n',
    '\r',
    '\t',
    '\x1b[2J',
    '\x07',
    '\0',
    '\u202e',
    'text',
  ]);
  test('is a code and one bounded line that a terminal may show, or none', () => {
    hold(REPLIES, reply, (raw) => {
      const parsed = parseReply(raw);
      if (!parsed) return;
      expect(parsed.code).toBeGreaterThanOrEqual(0);
      expect(parsed.text).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
    });
  });

  test('without an end is cut, and read in no time', () => {
    for (const piece of ['x', '250 x\n', '250-x\n', '\r\n', '2', ' ', '250-5.7.1 ']) {
      expect(parseReply(`250 ${piece.repeat(1_000_000 / piece.length)}`)?.text.length ?? 0).toBeLessThanOrEqual(4_000);
    }
  });
});

describe('a cursor', () => {
  const cursor = fc.oneof(
    textOf(['MS4', 'AA', '=', '-', '_', '.']),
    fc.base64String(),
    textOf(['1', '.', '-', 'a', ':', '{']).map((text) => Buffer.from(text).toString('base64url')),
  );
  test('is a place in a list, or is refused', () => {
    hold(CURSORS, cursor, (text) => {
      const after = unlessRefused(RequestError, () => readListQuery({ cursor: text }, []))?.after;
      if (!after) return;
      expect(Number.isSafeInteger(after.acceptedAtMs)).toBe(true);
      expect(after.id).toMatch(/^[\w-]{1,64}$/);
    });
  });
});

describe('what comes back from Redis', () => {
  const json = fc.oneof(
    fc.jsonValue().map((value) => JSON.stringify(value)),
    textOf(['{', '}', '[', ']', '"', 'null', ',', ':']),
  );
  const field = fc.constantFrom(
    'message',
    'status',
    'recipients',
    'attempts',
    'attempt:1',
    'through',
    'nextAttemptAt',
    'finishedAt',
  );
  const damage = fc.dictionary(field, json, { minKeys: 1, maxKeys: 3 });
  test('as a record is one, or is called corrupt', () => {
    hold<Record<string, string>>([], damage, (fields) => {
      unlessRefused(CorruptRecordError, () =>
        decodeRecord(MESSAGE.id, { ...newRecord(MESSAGE), attempts: '1', ...fields }),
      );
    });
  });

  test('as a body is one, or is called corrupt', () => {
    const bytes = fc.oneof(json, textOf(['raw:', 'aes:', 'k:', '{', '}']));
    const cipher = makeBodyCipher([{ id: 'k', secret: Buffer.alloc(32) }, 'plain']);
    hold(BODIES, bytes, (text) => {
      unlessRefused(CorruptRecordError, () => decodeContent(cipher.open(MESSAGE, Buffer.from(text))));
    });
  });
});

describe('a request', () => {
  const KINDS = [200, 202, 301, 302, 400, 401, 403, 404, 405, 413, 414, 415, 422];
  const holds = async <T>(found: readonly T[], drawn: fc.Arbitrary<T>, requestOf: (input: T) => InjectOptions) => {
    const { app, log } = openTestApp();
    const answers = async (input: T) => {
      const { statusCode, headers } = await app.inject({ method: 'POST', url: '/send', ...requestOf(input) });
      expect(KINDS).toContain(statusCode);
      if (statusCode >= 400) expect(headers['content-type']).toMatch(/^application\/problem\+json/);
    };
    const examples = found.map((input): [T] => [input]);
    await fc.assert(fc.asyncProperty(drawn, answers), { numRuns: 400, examples });
    expect(log.filter((line) => JSON.parse(line).level >= 50)).toEqual([]);
    expect(Object.keys(Object.prototype)).toEqual([]);
  };
  const JSON_TYPE = { 'content-type': 'application/json' };

  test('whose mail has any member of any value is answered, and never with a fault of ours', async () => {
    const names = ['from', 'to', 'cc', 'replyTo', 'subject', 'text', 'html', 'headers', 'attachments', 'calendar'];
    const others = ['importance', 'priority', 'sendAt', 'expiresAt', 'mailbox', 'metadata', 'constructor', 'x'];
    const address = fc.record({ name: fc.string(), address: textOf(['a', '@', 'b.c', '"', '<', '>']) });
    const value = fc.oneof(
      fc.jsonValue(),
      fc.string(),
      address,
      fc.array(address),
      fc.dictionary(fc.string(), fc.string()),
    );
    const member = fc.dictionary(fc.constantFrom(...names, ...others), value, { maxKeys: 4 });
    await holds<object>(MAILS, member, (mail) => ({ payload: { to: 'a@example.com', text: 'x', ...mail } }));
  });

  test('of any bytes is answered', async () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 60 }).map((all) => Buffer.from(all)),
      textOf(['{', '}', '"to"', ':', '[', '\\', '"']).map((text) => Buffer.from(text)),
    );
    await holds<Buffer>([], bytes, (payload) => ({ headers: JSON_TYPE, payload }));
  });

  test('of any form is answered', async () => {
    const pieces = [
      '--b',
      '\r\n',
      '--',
      'Content-Disposition: form-data; name="to"',
      '; filename="x"',
      '\r\n\r\n',
      'a@example.com',
    ];
    const form = textOf([
      ...pieces,
      '--b\r\nContent-Disposition: form-data; name="text"\r\n\r\n',
      '"',
      'Content-Type: x',
    ]);
    await holds<string>(FORMS, form, (payload) => ({
      headers: { 'content-type': 'multipart/form-data; boundary=b' },
      payload,
    }));
  });

  test('with any Idempotency-Key is answered', async () => {
    const key = textOf(['"', '\\', 'a', ' ', ';', 'x'.repeat(255)]).map((text) =>
      text.replace(/[^\t\x20-\x7e\x80-\xff]/g, ''),
    );
    await holds<string>(IDEMPOTENCY_KEYS, key, (given) => ({
      headers: { 'idempotency-key': given },
      payload: { to: 'a@example.com', text: 'x' },
    }));
  });

  test('to any path and query is answered', async () => {
    const url = textOf([
      '/',
      'messages',
      '?',
      '&',
      '=',
      '%',
      '%00',
      '..',
      'cursor',
      'limit',
      '[',
      '__proto__',
      'to',
      'send',
      'docs',
    ]);
    await holds<string>([], url, (text) => ({
      method: 'GET',
      url: `/${encodeURI(text.toWellFormed()).replaceAll('%25', '%')}`,
    }));
  });
});
