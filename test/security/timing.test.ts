/** That nothing can be learnt of a key from how long its refusal takes: each is compared whole, and none is passed by. */
import { timingSafeEqual } from 'node:crypto';
import { beforeEach, expect, test, vi } from 'vitest';
import { findKey } from '../../src/core/submit/api-key.ts';
import { apiKey } from '../helpers/app.ts';

vi.mock('node:crypto', { spy: true });
beforeEach(() => void vi.mocked(timingSafeEqual).mockClear());

const KEYS = ['first', 'second', 'third'].map((name) => apiKey(name, `${name}-secret`));

test.each([
  ['the first', 'first-secret', 'first'],
  ['the last', 'third-secret', 'third'],
  ['none, but begins as one', 'first-secre', undefined],
  ['none', '', undefined],
])('a secret that is %s is compared with all keys', (_title, secret, name) => {
  expect(findKey(KEYS, secret)?.name).toBe(name);
  const compared = vi.mocked(timingSafeEqual).mock.calls.map(([hash]) => hash);
  expect(compared).toEqual(KEYS.map(({ hash }) => hash));
});
