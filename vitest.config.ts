/** The tests: files run side by side, each with a Redis, ports and folders of its own. */
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 30_000,
    hookTimeout: 30_000,
    // A test that opens things and waits for them leaves a core to the servers that it talks with.
    maxWorkers: '75%',
    reporters: ['default'],
    allowOnly: false,
    passWithNoTests: false,
  },
});
