// What does an enqueue cost beside the raw backend's? Fenced, 100 in flight, and in bulks of 1,000.

import { type Comparison, compare, inFlight, line } from './harness.ts'
import { openRaw } from './raw.ts'
import { type Backend, payload, type World } from './world.ts'

const WIDTH = 100
const BULK = 1000

interface Options {
  readonly rounds: number
  readonly jobs: number
}

/** `fence: 'target'`: legacy jobs without a round trip to the ledger each. */
export async function benchUnfencedEnqueue(
  world: World,
  options: Options,
  print: (text: string) => void,
): Promise<void> {
  const goals = { bullmq: 0.9, 'bee-queue': 0.82 } as const
  for (const backend of ['bullmq', 'bee-queue'] as const) {
    print(line(await single(world, backend, options, goals[backend], true)))
  }
}

export async function benchEnqueue(world: World, options: Options, print: (text: string) => void): Promise<void> {
  const goals = { bullmq: 0.75, 'bee-queue': 0.75, embedded: 0.6 } as const
  for (const backend of ['bullmq', 'bee-queue', 'embedded'] as const) {
    print(line(await single(world, backend, options, goals[backend])))
  }
  print(line(await bulk(world, 'bullmq', options, 1, 'BullMQ, plain addBulk(1000)')))
  print(line(await bulk(world, 'bullmq', options, 0.85, 'BullMQ, split alike 4 × 250', true)))
  print(line(await bulk(world, 'bee-queue', options, 0.75, 'bee-queue, saveAll(1000)')))
  print(line(await bulk(world, 'embedded', options, undefined, 'embedded, enqueue(1000)')))
}

async function tidy(world: World): Promise<void> {
  await world.client.flushall()
}

async function single(world: World, backend: Backend, { rounds, jobs }: Options, goal: number, unfenced = false) {
  let round = 0
  const comparison: Comparison = {
    title: `enqueue${unfenced ? ' unfenced' : ''}, ${WIDTH} in flight, ${backend}`,
    goal,
    ...(backend === 'embedded' ? {} : { redis: world.client }),
    raw: {
      name: 'raw',
      run: async (measure) => {
        round += 1
        const raw = await openRaw(world, backend, `raw${unfenced ? 'u' : ''}${round}`)
        await measure(jobs, () => inFlight(jobs, WIDTH, (n) => raw.add(n)))
        await raw.close()
        await tidy(world)
      },
    },
    ours: {
      name: 'ours',
      run: async (measure) => {
        round += 1
        const ours = await world.open({ backend, queue: `ours${unfenced ? 'u' : ''}${round}`, unfenced })
        await ours.enqueue('job', payload(0))
        await measure(jobs, () => inFlight(jobs, WIDTH, (n) => ours.enqueue('job', payload(n))))
        await ours.close()
        await tidy(world)
      },
    },
  }
  return compare(comparison, rounds)
}

async function bulk(
  world: World,
  backend: Backend,
  { rounds, jobs }: Options,
  goal: number | undefined,
  title: string,
  alike = false,
) {
  let round = 0
  const bulks = Math.max(1, Math.round(jobs / BULK))
  const comparison: Comparison = {
    title: `bulk of ${BULK}, ${title}`,
    goal,
    ...(backend === 'embedded' ? {} : { redis: world.client }),
    raw: {
      name: 'raw',
      run: async (measure) => {
        round += 1
        const raw = await openRaw(world, backend, `rawbulk${round}`)
        await measure(bulks * BULK, async () => {
          for (let n = 0; n < bulks; n += 1) {
            const parts = alike ? 4 : 1
            const size = BULK / parts
            await Promise.all(Array.from({ length: parts }, (_, part) => raw.addMany(n * BULK + part * size, size)))
          }
        })
        await raw.close()
        await tidy(world)
      },
    },
    ours: {
      name: 'ours',
      run: async (measure) => {
        round += 1
        const ours = await world.open({ backend, queue: `oursbulk${round}` })
        await ours.enqueue('job', payload(0))
        await measure(bulks * BULK, async () => {
          for (let n = 0; n < bulks; n += 1) {
            const items = Array.from({ length: BULK }, (_, index) => ({ payload: payload(n * BULK + index) }))
            await ours.enqueueMany('job', items)
          }
        })
        await ours.close()
        await tidy(world)
      },
    },
  }
  return compare(comparison, rounds)
}
