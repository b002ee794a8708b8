import { describe, expect, test } from 'vitest';
import { inTime } from '../../src/app/in-time.ts';
import { QueueUnavailableError } from '../../src/core/admin/errors.ts';

const never = () => new Promise<never>(() => undefined);
const rejecting = (error: Error) => async () => {
  throw error;
};

describe('a call within its deadline', () => {
  test('is answered with its arguments and its result', async () => {
    const { add } = inTime({ add: async (a: number, b: number) => a + b }, { add: 1_000 });
    expect(await add(1, 2)).toBe(3);
  });

  test('rejects as an outage when the deadline is over', async () => {
    const { find } = inTime({ find: never }, { find: 10 });
    await expect(find()).rejects.toThrow(QueueUnavailableError);
  });

  test('rejects as an outage when Redis is away, with the cause', async () => {
    const cause = new Error('Connection is closed.');
    const { find } = inTime({ find: rejecting(cause) }, {});
    await expect(find()).rejects.toMatchObject({ name: 'QueueUnavailableError', cause });
  });

  test('rejects with any other error as it is', async () => {
    const fault = new TypeError('x is not a function');
    const { find } = inTime({ find: rejecting(fault) }, { find: 1_000 });
    await expect(find()).rejects.toBe(fault);
  });
});
