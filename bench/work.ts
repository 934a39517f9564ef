// What does a job cost in the worker beside the raw backend's? Concurrency 50, a no-op handler, outcomes recorded.

import { compare, line } from './harness.ts'
import { counter, openRaw } from './raw.ts'
import { type Backend, payload, type World } from './world.ts'

const CONCURRENCY = 50
const UNFENCED_GOAL = 0.8
const GOALS = { bullmq: 0.7, 'bee-queue': 0.7, embedded: 0.55 } as const

export async function benchWork(
  world: World,
  options: { readonly rounds: number; readonly jobs: number },
  print: (text: string) => void,
): Promise<void> {
  for (const backend of ['bullmq', 'bee-queue', 'embedded'] as const) {
    print(line(await work(world, backend, options)))
  }
}

/** `fence: 'target'`: only the outcome is told to the ledger. */
export async function benchUnfencedWork(
  world: World,
  options: { readonly rounds: number; readonly jobs: number },
  print: (text: string) => void,
): Promise<void> {
  for (const backend of ['bullmq', 'bee-queue'] as const) print(line(await work(world, backend, options, true)))
}

export async function work(
  world: World,
  backend: Backend,
  { rounds, jobs }: { rounds: number; jobs: number },
  unfenced = false,
) {
  let round = 0
  return compare(
    {
      title: `work${unfenced ? ' unfenced' : ''}, concurrency ${CONCURRENCY}, no-op, ${backend}`,
      goal: unfenced ? UNFENCED_GOAL : GOALS[backend],
      ...(backend === 'embedded' ? {} : { redis: world.client }),
      raw: {
        name: 'raw',
        run: async (measure) => {
          round += 1
          const raw = await openRaw(world, backend, `rawwork${unfenced ? 'u' : ''}${round}`)
          for (let n = 0; n < jobs; n += 1000) await raw.addMany(n, Math.min(1000, jobs - n))
          await measure(jobs, () => raw.work(jobs, CONCURRENCY))
          await raw.close()
          await world.client.flushall()
        },
      },
      ours: {
        name: 'ours',
        run: async (measure) => {
          round += 1
          const ours = await world.open({ backend, queue: `ourswork${unfenced ? 'u' : ''}${round}`, unfenced })
          for (let n = 0; n < jobs; n += 1000) {
            const items = Array.from({ length: Math.min(1000, jobs - n) }, (_, index) => ({
              payload: payload(n + index),
            }))
            await ours.enqueueMany('job', items)
          }
          const done = counter(jobs)
          await measure(jobs, async () => {
            const worker = await ours.work('job', 'legacy', async () => done.one(), { concurrency: CONCURRENCY })
            await done.all
            await worker.stop()
          })
          await ours.close()
          await world.client.flushall()
        },
      },
    },
    rounds,
  )
}
