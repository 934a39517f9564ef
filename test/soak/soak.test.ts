// The soak in its short form: `npm run soak` is the long one.

import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { hasRedis } from '../support/redis.ts'

const MAIN = join(import.meta.dirname, 'main.ts')

const BEDS = hasRedis() ? (['embedded', 'redis'] as const) : (['embedded'] as const)

it.each(BEDS)(
  '%s: after random faults every job is accounted for',
  async (bed) => {
    const argv = [MAIN, '--json', '--jobs', '400', '--seconds', '12', '--bed', bed]
    const { stdout } = await promisify(execFile)(process.execPath, argv).catch((failed: { stdout: string }) => failed)
    const { problems, accepted, done, failed, seed } = JSON.parse(stdout)
    expect({ problems, accepted }, `seed ${seed}`).toEqual({ problems: [], accepted: 400 })
    expect(done + failed).toBeGreaterThanOrEqual(400)
  },
  240_000,
)
