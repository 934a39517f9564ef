import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // Two cores and many child processes: more workers only make real servers slow.
    maxWorkers: 2,
    pool: 'forks',
  },
})
