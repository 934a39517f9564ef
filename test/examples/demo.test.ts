import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { hasRedis, startRedis } from '../support/redis.ts'
import { type Demo, type Role, reportOf, startDemo } from './demo-kit.ts'

const JOBS = 200

/** What must hold however the run went. */
async function expectAllDoneOnce(demo: Demo): Promise<ReturnType<typeof reportOf>> {
  const model = reportOf(await demo.ended)
  for (const check of await demo.check(JOBS)) {
    expect(check).toMatchObject({ ok: true, neverCompleted: [], storedTwice: [], onBothSides: [], shadowEffects: [] })
  }
  expect(model.migrations.map(({ name }) => name)).toEqual(['parse-email', 'thread-email'])
  for (const { jobs, contradictions, comparisons } of model.migrations) {
    const none = { failed: 0, waiting: 0, running: 0, moving: 0, inDoubt: 0, lost: 0, twice: 0, adopted: 0 }
    expect(jobs).toMatchObject({ done: JOBS, ...none })
    expect(contradictions).toEqual([])
    expect(comparisons.open).toBe(0)
    const { matched, mismatched, ignored, orphaned, shed } = comparisons
    expect(matched + mismatched + ignored + orphaned + shed).toBe(comparisons.shadowed)
  }
  return model
}

describe('the demo', () => {
  it('takes both migrations from legacy to target; the report tells what the log tells', async () => {
    const demo = startDemo(['--jobs', String(JOBS), '--json'])
    const { migrations } = await expectAllDoneOnce(demo)
    const checks = await demo.check(JOBS)
    for (const [at, { jobs, sides, routes, comparisons, latency }] of migrations.entries()) {
      const { completed } = checks[at]!
      expect(jobs.enqueued).toBe(JOBS)
      expect({ legacy: sides.legacy.done, target: sides.target.done }).toEqual(completed)
      expect(latency.legacy.run.n + latency.target.run.n).toBe(JOBS)
      // A tenth before any shadow, and the last fifth on target alone.
      expect(routes.legacy.enqueued).toBeGreaterThanOrEqual(JOBS * 0.1)
      expect(routes['legacy-shadowed'].enqueued).toBeGreaterThan(JOBS * 0.3)
      expect(routes['target-shadowed'].enqueued).toBeGreaterThan(0)
      expect(routes.target.enqueued).toBeGreaterThan(JOBS * 0.1)
      expect(comparisons.compared).toBe(comparisons.shadowed)
      expect(comparisons).toMatchObject({ orphaned: 0, shed: 0 })
    }
    const page = readFileSync(join(demo.folder, 'report.html'), 'utf8')
    for (const { name } of migrations) expect(page).toContain(`<bdi>${name}</bdi></h1>`)
    expect(page.length).toBeLessThan(500_000)
    const [parse, thread] = migrations
    expect(thread!.comparisons.mismatched).toBe(0)
    const { all, differ } = await demo.shadowed(JOBS)
    expect(parse!.comparisons).toMatchObject({ shadowed: all, mismatched: differ, ignored: 0 })
    expect(differ).toBeGreaterThan(10)
    expect(parse!.differences.map(({ path }) => path)).toEqual(
      expect.arrayContaining(['/result/attachments/*/size', '/result/text', '/effects/*/store/folder']),
    )
    expect(parse!.noise.compared).toBeGreaterThan(0)
    // Where legacy cannot read a date it takes the time of the run.
    for (const { path, kind } of parse!.noise.differences) expect([path, kind]).toEqual(['/result/date', 'value'])
    for (const role of ['producer', 'legacy-worker', 'target-worker']) {
      expect(readFileSync(join(demo.folder, `${role}.log`), 'utf8')).toBe('')
    }
  }, 60_000)

  it.each<Role>(['producer', 'legacy-worker', 'target-worker'])(
    'loses nothing and does nothing twice when its %s is killed',
    async (role) => {
      const demo = startDemo(['--jobs', String(JOBS), '--json'])
      await demo.runs(JOBS)
      const before = demo.pids()[role]
      process.kill(before.pid, 'SIGKILL')
      await expectAllDoneOnce(demo)
      const after = demo.pids()[role]
      expect(after.starts).toBeGreaterThan(before.starts)
      expect(after.pid).not.toBe(before.pid)
    },
    60_000,
  )
})

describe.skipIf(!hasRedis())('the demo from bee-queue to BullMQ', () => {
  it('loses nothing and does nothing twice while all of its processes are killed', async () => {
    const redis = await startRedis()
    try {
      const demo = startDemo(['--jobs', String(JOBS), '--json', '--queues', 'bee-queue,bullmq', '--redis', redis.url])
      await demo.runs(JOBS)
      for (const { pid } of Object.values(demo.pids())) process.kill(pid, 'SIGKILL')
      const { migrations } = await expectAllDoneOnce(demo)
      for (const { sides } of migrations) expect(sides.target.done).toBeGreaterThan(JOBS * 0.15)
    } finally {
      await redis.stop()
    }
  }, 60_000)
})
