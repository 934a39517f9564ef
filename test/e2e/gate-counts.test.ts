// Is what a stage is judged by what really happened? Real queues, good and bad handlers, copies that get lost; the truth is
// what the handlers wrote down and what the test did not let through.

import { afterEach, describe, expect, test, vi } from 'vitest'
import type { OutgoingJob, Queue, QueueSpec } from '../../src/ports/queue.ts'
import type { StageCounts } from '../../src/rollout/gates/index.ts'
import { judgeStage } from '../../src/rollout/gates/index.ts'
import { stageCounts } from '../../src/rollout/observe.ts'
import { defaultPlan, type Plan, parsePlan, type Stage, type Unit } from '../../src/rollout/plan.ts'
import type { Arm, Side } from '../../src/vocabulary/job.ts'
import {
  type App,
  type AppOptions,
  type Bed,
  embeddedBed,
  type Mail,
  openApp,
  redisBed,
  until,
} from '../support/app.ts'
import { hookedQueue } from '../support/hooks.ts'
import { hasRedis } from '../support/redis.ts'

const JOBS = 120
const BOXES = 45

const [plan] = parsePlan(defaultPlan({ migration: 'mail', legacy: 'bee-queue', target: 'bullmq' }), 'plan.md') as [Plan]

/** A stage whose gates all count in `unit`. */
function stageOf(name: string, unit: Unit, dials: Partial<Stage>): Stage {
  const stage = plan.stages.find((each) => each.name === name) as Stage
  const gates = Object.entries(stage.gates).map(([gate, of]) => [gate, gate === 'plain' ? of : { ...of, unit }])
  return { ...stage, ...dials, gates: Object.fromEntries(gates) as Stage['gates'] }
}

interface Job {
  readonly n: number
  readonly id: string
  readonly box: string
  readonly side: Side
}

/** What the handlers and the queues did, by themselves. */
class Truth {
  readonly jobs: Job[] = []
  readonly dropped = new Set<string>()
  /** `id arm` → whether it ended well. */
  readonly ended = new Map<string, boolean>()

  /** The first job of each box, or all. */
  units(unit: Unit): readonly Job[] {
    if (unit === 'job') return this.jobs
    const seen = new Set<string>()
    return this.jobs.filter(({ box }) => !seen.has(box) && seen.add(box))
  }
  count(unit: Unit, is: (job: Job) => boolean): number {
    return this.units(unit).filter(is).length
  }
  ran({ id }: Job, arm: Arm): boolean {
    return this.ended.has(`${id} ${arm}`)
  }
  failed({ id }: Job, arm: Arm): boolean {
    return this.ended.get(`${id} ${arm}`) === false
  }
}

/** Accepts every `nth` job of an arm and stores none of them. */
function losing(spec: QueueSpec, truth: Truth, arm: Arm, nth: number): QueueSpec {
  let seen = 0
  const enqueue = async (real: unknown, jobs: readonly OutgoingJob[]): Promise<unknown[]> => {
    const kept = jobs.filter(({ data }) => {
      const stamp = (data as { $cutover: { id: string; arm: Arm } }).$cutover
      if (stamp.arm !== arm || ++seen % nth !== 0) return true
      truth.dropped.add(stamp.id)
      return false
    })
    const stored = kept.length === 0 ? [] : ((await (real as Queue['enqueue'])(kept)) as unknown[])
    return jobs.map((job) => (kept.includes(job) ? stored.shift() : { status: 'accepted' }))
  }
  if (arm === 'primary') return hookedQueue(spec, { enqueue: enqueue as never })
  return hookedQueue(spec, {
    shadow: ((real: () => Queue) => {
      const queue = real()
      return new Proxy(queue, {
        get: (target, name) => {
          const value: unknown = Reflect.get(target, name)
          if (typeof value !== 'function') return value
          const bound = value.bind(target)
          return name === 'enqueue' ? (jobs: readonly OutgoingJob[]) => enqueue(bound, jobs) : bound
        },
      })
    }) as never,
  })
}

/** Never late on a slow machine, and still closed within the test. */
const PATIENT: NonNullable<AppOptions['migration']> = {
  key: (mail: unknown) => (mail as Mail).box ?? '',
  attempts: 1,
  waitAllowance: '5s',
  timeout: '1s',
}

let bed: Bed | undefined
let app: App | undefined
afterEach(async () => {
  vi.restoreAllMocks()
  await app?.close()
  await bed?.stop()
  app = undefined
  bed = undefined
})

async function start(
  truth: Truth,
  on: () => Promise<Bed> | Bed,
  lost: { arm: Arm; nth: number },
  dials: { target: number; shadow: number },
) {
  bed = await on()
  const target = losing(bed.queue('target'), truth, lost.arm, lost.nth)
  app = await openApp(bed, { dials, migration: PATIENT, queues: { target } })
  return { app, bed }
}

/** Sends the jobs one by one, so that the first of a box is known, and waits until all that can end has ended. */
async function play(truth: Truth, { cutover, ledger }: App, shadowed: boolean): Promise<void> {
  for (let n = 0; n < JOBS; n++) {
    const box = `box-${n % BOXES}`
    const { id, side } = await cutover.enqueue('mail', { n, box })
    truth.jobs.push({ n, id, box, side })
  }
  const arm = shadowed ? 'shadow' : 'primary'
  const waits = (): number => truth.jobs.filter((job) => !truth.dropped.has(job.id) && !truth.ran(job, arm)).length
  await until(
    () => waits() === 0 && truth.jobs.every((job) => truth.dropped.has(job.id) || truth.ran(job, 'primary')),
    'all ended',
    30_000,
  )
  await until(
    async () => {
      const { buckets, now, settings } = await ledger.snapshot()
      const closes =
        Math.max(...buckets.map(({ start, widthMs }) => start + widthMs)) + settings.deadlineMs + settings.slackMs
      return now >= closes
    },
    'all buckets closed',
    40_000,
  )
}

async function judged({ ledger }: App, stage: Stage): Promise<StageCounts> {
  return stageCounts(await ledger.snapshot(), { plan, stage, attempt: 1, legacyRate: 0 })
}

const BEDS: readonly (readonly [string, () => Promise<Bed> | Bed])[] = [
  ['embedded queues, SQLite', () => embeddedBed('apart')],
  ['bee-queue to BullMQ, Redis', redisBed],
]

describe.each(BEDS)('%s', (name, on) => {
  test.skipIf(name.includes('Redis') && !hasRedis())(
    'shadows: pairs, errors, noise, losses and times are what happened',
    async () => {
      const truth = new Truth()
      const { app: running } = await start(truth, on, { arm: 'shadow', nth: 9 }, { target: 0, shadow: 1 })
      await running.ledger.setControlShare({ share: 0.5, by: 'test' })
      await running.both(async (mail, ctx) => {
        const onTarget = ctx.side === 'target'
        const kind = mail.n % 10
        const fails = (kind === 1 && onTarget) || kind === 2 || (kind === 3 && !onTarget)
        truth.ended.set(`${ctx.id} ${ctx.arm}`, !fails)
        if (fails) throw new TypeError('no')
        if (kind === 4 && onTarget) return { n: -1 }
        if (kind === 5 && ctx.arm === 'control') return { n: -2 }
        return { n: mail.n }
      })
      // the share has reached this process once its epoch is opened
      await until(async () => (await running.ledger.control()).epoch.dials.control === 0.5, 'an epoch with controls')
      await play(truth, running, true)
      const kind = ({ n }: Job): number => n % 10
      const came = (job: Job): boolean => truth.ran(job, 'shadow')
      for (const unit of ['job', 'key'] as const) {
        const counts = await judged(running, stageOf('shadow-all', unit, { control: 0.5 }))
        const of = (is: (job: Job) => boolean): number => truth.count(unit, is)
        const all = truth.units(unit).length
        const lost = of((job) => !came(job))
        expect(lost, unit).toBeGreaterThan(0)
        const differs = of((job) => came(job) && [1, 3, 4].includes(kind(job)))
        expect(counts.mismatch?.counts, unit).toEqual({ n: all, mismatched: differs, orphaned: lost })
        const noisy = of((job) => truth.ran(job, 'control') && kind(job) === 5)
        const controls = of((job) => truth.ran(job, 'control'))
        expect(controls, unit).toBeGreaterThan(0)
        expect(counts.mismatch?.control, unit).toEqual({ n: controls, mismatched: noisy })
        expect(counts.errorsPaired?.counts, unit).toEqual({
          ...{ n: all, targetOnly: of((job) => came(job) && kind(job) === 1) },
          ...{ legacyOnly: of((job) => came(job) && kind(job) === 3), targetOrphans: lost, legacyOrphans: 0 },
        })
        expect(counts.lost?.counts, unit).toEqual({ n: all, lost })
        expect(counts.p50?.paired?.n, unit).toBe(all - lost)
        const against = stageOf('shadow-all', unit, { control: 0.5 })
        const excess = await judged(running, {
          ...against,
          gates: {
            ...against.gates,
            mismatch: { ...(against.gates.mismatch as NonNullable<Stage['gates']['mismatch']>), against: 'control' },
          },
        })
        expect(excess.excessMismatch?.counts, unit).toEqual({
          n: controls,
          targetOnly: of((job) => truth.ran(job, 'control') && came(job) && [1, 3, 4].includes(kind(job))),
          controlOnly: of((job) => truth.ran(job, 'control') && came(job) && kind(job) === 5),
          orphaned: of((job) => truth.ran(job, 'control') && !came(job)),
        })
      }
      const { shed, duplicates, queueWait } = await judged(running, stageOf('shadow-all', 'job', {}))
      expect(shed).toEqual({ wanted: JOBS, shed: 0, compared: truth.count('job', came), ignored: 0 })
      expect(duplicates).toEqual({ twice: 0 })
      expect(queueWait?.n).toBe(truth.count('job', came))
    },
    90_000,
  )

  test.skipIf(name.includes('Redis') && !hasRedis())(
    'a canary: errors and losses of both sides, the split, the last minutes',
    async () => {
      const truth = new Truth()
      const { app: running } = await start(truth, on, { arm: 'primary', nth: 8 }, { target: 0.5, shadow: 0 })
      await running.both(async (mail, ctx) => {
        const fails = ctx.side === 'target' ? mail.n % 5 === 0 : mail.n % 9 === 0
        truth.ended.set(`${ctx.id} ${ctx.arm}`, !fails)
        if (fails) throw new TypeError('no')
        return { n: mail.n }
      })
      await play(truth, running, false)
      const at =
        (side: Side) =>
        (job: Job): boolean =>
          job.side === side
      for (const unit of ['job', 'key'] as const) {
        const { errorsCanary, lost, p50, sampleRatio } = await judged(running, stageOf('canary-50', unit, {}))
        const of = (side: Side, is: (job: Job) => boolean): number =>
          truth.count(unit, (job) => job.side === side && is(job))
        const [targets, gone] = [of('target', () => true), of('target', ({ id }) => truth.dropped.has(id))]
        expect(gone, unit).toBeGreaterThan(0)
        expect(errorsCanary?.counts, unit).toEqual({
          ...{ n: truth.units(unit).length, share: 0.5, nTargetUnits: targets, legacyLost: 0, targetLost: gone },
          legacyFailed: of('legacy', (job) => truth.failed(job, 'primary')),
          targetFailed: of('target', (job) => truth.failed(job, 'primary')),
        })
        expect(lost?.counts, unit).toEqual({ n: targets, lost: gone })
        expect(p50?.unpaired, unit).toMatchObject({ nTarget: targets - gone, nLegacy: of('legacy', () => true) })
        expect(sampleRatio, unit).toEqual({ n: truth.units('key').length, target: truth.count('key', at('target')) })
      }
      const { tripwire, queueWait, backlog } = await judged(running, stageOf('canary-50', 'job', {}))
      const ended = (side: Side): number => truth.count('job', (job) => at(side)(job) && truth.ran(job, 'primary'))
      const failed = (side: Side): number => truth.count('job', (job) => at(side)(job) && truth.failed(job, 'primary'))
      expect(tripwire).toMatchObject({
        ...{ targetSettled: ended('target'), targetFailed: failed('target') },
        ...{ legacySettled: ended('legacy'), legacyFailed: failed('legacy') },
      })
      expect(tripwire?.groups).toBeGreaterThan(2)
      expect(queueWait?.n).toBe(ended('target'))
      // the lost ones wait in the ledger for a run that never comes
      expect(backlog?.ageMs).toBeGreaterThan(5000)
    },
    90_000,
  )
})

test.each([5 * 60_000, -5 * 60_000])(
  "a ledger's clock that jumps by %d ms: held, nobody is lost, and noted",
  async (by) => {
    const truth = new Truth()
    const { app: running } = await start(truth, embeddedBed, { arm: 'primary', nth: 1000 }, { target: 1, shadow: 0 })
    // sent, and not yet worked on: the jump takes their deadline away
    for (let n = 0; n < 40; n++) await running.cutover.enqueue('mail', { n, box: `box-${n}` })
    const real = Date.now.bind(Date)
    vi.spyOn(Date, 'now').mockImplementation(() => real() + by)
    await until(() => running.events.some(({ type }) => type === 'clock-jumped'), 'told')
    await until(async () => (await running.numbers()).excluded('clock-jumped') === 1, 'noted')
    const stage = stageOf('full', 'job', {})
    const counts = await judged(running, stage)
    expect(counts.lost).toBeUndefined()
    const { verdict, holds } = judgeStage(stage, counts)
    expect(verdict).toBe('hold')
    expect(holds).toContain('contradiction')
  },
  30_000,
)
