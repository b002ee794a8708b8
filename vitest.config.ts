/**
 * The tests: files run side by side, each with a Redis, ports and folders of its own. One that measures times runs after
 * them, with nothing at its side: another's load would be what it measures.
 */
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

const ALONE = ['test/app/estimate.test.ts'];
/** It replaces a module that other files have loaded. */
const ISOLATED = ['test/security/timing.test.ts'];
/** Most of a test is waiting for a server or a process: four files keep two cores busy. */
const SIDE_BY_SIDE = { maxWorkers: availableParallelism() * 2, sequence: { groupOrder: 0 } };

/** They take longest: one that started last would run with idle cores at its side. */
const FIRST = [
  'app/fleet',
  'app/process',
  'app/shutdown',
  'app/delivery',
  'security/tampered',
  'queue/work/frozen',
  'queue/work/cut-off',
  'queue/limits/outage',
  'examples/examples',
  'smtp-in/clients',
  'http/sockets',
];

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const isFirst = ({ moduleId }: TestSpecification) => FIRST.some((name) => moduleId.endsWith(`/${name}.test.ts`));
    const sorted = await super.sort(files);
    return [...sorted.filter(isFirst), ...sorted.filter((file) => !isFirst(file))];
  }
}

export default defineConfig({
  test: {
    testTimeout: 30_000,
    hookTimeout: 30_000,
    reporters: ['default'],
    allowOnly: false,
    passWithNoTests: false,
    // The processes that tests start compile the same sources: half of what a start costs.
    env: { NODE_COMPILE_CACHE: fileURLToPath(new URL('node_modules/.cache/compiled', import.meta.url)) },
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        extends: true,
        test: {
          name: 'side by side',
          include: ['test/**/*.test.ts'],
          exclude: ['**/node_modules/**', ...ALONE, ...ISOLATED],
          // The imports take a second of processor time, and many files need less than that. What a test changes of its
          // process it puts back.
          isolate: false,
          ...SIDE_BY_SIDE,
        },
      },
      { extends: true, test: { name: 'isolated', include: ISOLATED, ...SIDE_BY_SIDE } },
      { extends: true, test: { name: 'alone', include: ALONE, maxWorkers: 1, sequence: { groupOrder: 1 } } },
    ],
  },
});
