/**
 * The tests: files run side by side, each with a Redis, ports and folders of its own. One that measures times
 * comes after them, alone: another's load would be what it measures.
 */
import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

const ALONE = ['test/app/estimate.test.ts'];

export default defineConfig({
  test: {
    testTimeout: 30_000,
    hookTimeout: 30_000,
    reporters: ['default'],
    allowOnly: false,
    passWithNoTests: false,
    projects: [
      {
        extends: true,
        test: {
          name: 'side by side',
          include: ['test/**/*.test.ts'],
          exclude: ['**/node_modules/**', ...ALONE],
          isolate: false,
          // Most of a test is waiting for a server or a process: three files keep two cores busy.
          maxWorkers: Math.ceil(availableParallelism() * 1.5),
          sequence: { groupOrder: 0 },
        },
      },
      { extends: true, test: { name: 'alone', include: ALONE, maxWorkers: 1, sequence: { groupOrder: 1 } } },
    ],
  },
});
