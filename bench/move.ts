// How many jobs a second go from one queue to another, beside a plain loop that reads and adds without any safety?
//
// Ours parks each job, commits its move in the ledger, enqueues it under a new id, notes its arrival and drops the copy:
// killed anywhere, nothing is lost and nothing runs twice. The plain loop reads pages of the source and adds them to the
// destination in bulk, then empties the source: a worker, a second mover or a crash beside it loses or doubles jobs.

import { type Comparison, compare, line, type Result } from './harness.ts'
import { openRaw } from './raw.ts'
import { type Backend, payload, type World } from './world.ts'

const PAGE = 250

interface Options {
  readonly rounds: number
  readonly jobs: number
  /** Only this one, e.g. `bee-queue:bullmq`. */
  readonly way: string | undefined
}

/** Least jobs a second. */
const GOALS: readonly (readonly [from: Backend, to: Backend, goal?: number])[] = [
  ['bee-queue', 'bullmq', 5_000],
  ['bullmq', 'bee-queue'],
  ['embedded', 'embedded', 10_000],
  ['embedded', 'bullmq'],
  ['bullmq', 'embedded'],
  ['bee-queue', 'embedded'],
  ['embedded', 'bee-queue'],
]

export async function benchMove(world: World, options: Options, print: (text: string) => void): Promise<void> {
  const wanted = GOALS.filter(([from, to]) => options.way === undefined || options.way === `${from}:${to}`)
  for (const [from, to, goal] of wanted) print(lineOf(await move(world, from, to, options), goal))
}

/**
 * The wall clock says little on a machine that others use; what Node and Redis compute for a job says what free cores
 * would do if the two never worked at the same time.
 */
function lineOf(result: Result, goal: number | undefined): string {
  const { perSecond, nodeMicros, redisMicros = 0 } = result.ours
  const inARow = 1e6 / (nodeMicros + redisMicros)
  const verdict = goal === undefined ? '' : `  at least ${goal}/s ${perSecond >= goal ? 'ok' : 'MISSED'}`
  return `${line(result)}  by CPU ${Math.round(inARow).toLocaleString('en-US')}/s${verdict}`
}

async function move(world: World, from: Backend, to: Backend, { rounds, jobs }: Options): Promise<Result> {
  let round = 0
  const way = `${from}-${to}`
  const comparison: Comparison = {
    title: `move, ${from} → ${to}`,
    goal: undefined,
    ...(from === 'embedded' && to === 'embedded' ? {} : { redis: world.client }),
    raw: {
      name: 'read and add',
      run: async (measure) => {
        round += 1
        const source = await openRaw(world, from, `plain-${way}-${round}`)
        const target = await openRaw(world, to, `plain-${way}-${round}-target`)
        for (let n = 0; n < jobs; n += 1000) await source.addMany(n, Math.min(1000, jobs - n))
        await measure(jobs, async () => {
          for (let at = 0; at < jobs; ) {
            const page = await source.read(at, PAGE)
            if (page.length === 0) throw new Error(`only ${at} of ${jobs} were found`)
            await target.addAll(page)
            at += page.length
          }
          await source.clear()
        })
        await source.close()
        await target.close()
        await world.client.flushall()
      },
    },
    ours: {
      name: 'ours',
      run: async (measure) => {
        round += 1
        const ours = await world.open({ backend: from, target: to, queue: `moved-${way}-${round}` })
        for (let n = 0; n < jobs; n += 1000) {
          const items = Array.from({ length: Math.min(1000, jobs - n) }, (_, index) => ({
            payload: payload(n + index),
          }))
          await ours.enqueueMany('job', items)
        }
        // A live worker on target is asked for; it holds the first job that comes, so that none is worked meanwhile.
        const held = (_job: unknown, { signal }: { signal: AbortSignal }): Promise<void> =>
          new Promise((resolve) => signal.addEventListener('abort', () => resolve()))
        await ours.work('job', 'target', held, { concurrency: 1 })
        await measure(jobs, async () => {
          const { moved } = await ours.move('job', { from: 'legacy', to: 'target' })
          if (moved !== jobs) throw new Error(`${moved} of ${jobs} were moved`)
        })
        await ours.close({ timeout: '1ms' })
        await world.client.flushall()
      },
    },
  }
  return compare(comparison, rounds)
}
