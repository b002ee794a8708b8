/** Which way a message takes, when some are busy, used up or blocked. */
import { expect, test } from 'vitest';
import { EXCHANGE_LIMITS } from '../../../src/core/mailbox/mailbox.ts';
import { makeSemaphore } from '../../../src/queue/work/semaphore.ts';
import type { Wait } from '../../../src/queue/limits/throttle.ts';
import { type Route, admit } from '../../../src/queue/work/routes.ts';
import type { Beginning } from '../../../src/queue/records/records.ts';

/** A way through a mailbox with so many connections, of which so many are busy. */
function line(id: string, limit: number, taken: number): Route {
  const semaphore = makeSemaphore();
  semaphore.limit = limit;
  for (let n = 0; n < taken; n += 1) void semaphore.enter();
  const mailbox = { id, address: id, limits: EXCHANGE_LIMITS };
  return {
    mailbox,
    semaphore,
    unknown: 'retry',
    runAttempt: () => Promise.reject(new Error('Nothing is tried here.')),
  };
}

const RATE: Wait = { kind: 'wait', reason: 'rate', waitMs: 40_000 };
const HELD: Wait = { kind: 'wait', reason: 'held', waitMs: 90_000 };
const TAKEN: Beginning = { kind: 'taken', taken: { fields: [], body: null } };
const asking =
  (answers: Readonly<Record<string, Wait>>) =>
  ({ mailbox }: Route): Promise<Beginning> =>
    Promise.resolve(answers[mailbox.id] ?? TAKEN);

test('a pool asks again soon while one of its mailboxes is busy, whose answers may take minutes', async () => {
  const turn = await admit([line('busy', 3, 3), line('used-up', 3, 0)], asking({ 'used-up': RATE }));
  expect(turn).toMatchObject({ kind: 'wait', blocked: [] });
  expect(turn.kind === 'wait' && turn.waitMs).toBeLessThanOrEqual(100);
});

test('a pool takes the first mailbox that has a connection and may send', async () => {
  const lines = [line('busy', 1, 1), line('held', 3, 0), line('good', 3, 2)];
  expect(await admit(lines, asking({ held: HELD }))).toMatchObject({
    kind: 'go',
    line: { mailbox: { id: 'good' }, semaphore: { taken: 3 } },
  });
  expect(lines.map(({ semaphore }) => semaphore.taken)).toEqual([1, 0, 3]);
});

test('a pool waits for the mailbox that goes on first', async () => {
  const turn = await admit([line('held', 3, 0), line('used-up', 3, 0)], asking({ held: HELD, 'used-up': RATE }));
  expect(turn).toEqual({ kind: 'wait', waitMs: 40_000, blocked: ['held'], changes: [] });
});

test('a mailbox of its own waits for one of its connections', async () => {
  const only = line('only', 1, 1);
  const turn = admit([only], asking({}));
  only.semaphore.leave();
  expect((await turn).kind).toBe('go');
});
