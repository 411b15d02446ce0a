import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

// A browser and a running Weir: one file after the other, and time for a busy machine.
export default defineConfig({
  root: fileURLToPath(new URL('..', import.meta.url)),
  test: {
    include: ['e2e/**/*.test.ts'],
    pool: 'forks',
    fileParallelism: false,
    testTimeout: 90_000,
    hookTimeout: 180_000,
    reporters: ['verbose'],
  },
});
