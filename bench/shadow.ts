// Does shadowing every job slow the primary down? Enqueue p50 at a steady 2,000 jobs a second, without and with.

import { median } from './harness.ts'
import { openRaw } from './raw.ts'
import { payload, type World } from './world.ts'

const RATE = 2000
const SECONDS = 3

/** The p50 of enqueue in ms at a steady rate, measured from when each was due to be sent. */
async function p50(enqueue: (n: number) => Promise<unknown>): Promise<number> {
  const times: number[] = []
  const pending: Promise<void>[] = []
  const began = performance.now()
  for (let n = 0; n < RATE * SECONDS; ) {
    const due = Math.floor(((performance.now() - began) / 1000) * RATE)
    for (; n < due && n < RATE * SECONDS; n += 1) {
      const index = n
      const sent = performance.now()
      pending.push(
        enqueue(index).then(() => {
          times.push(performance.now() - sent)
        }),
      )
    }
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  await Promise.all(pending)
  return median(times.slice(times.length / 6))
}

export async function benchShadow(
  world: World,
  { rounds }: { rounds: number },
  print: (text: string) => void,
): Promise<void> {
  const figures = { raw: [] as number[], without: [] as number[], shadowed: [] as number[] }
  for (let round = 0; round < rounds; round += 1) {
    const raw = await openRaw(world, 'bullmq', `rawshadow${round}`)
    figures.raw.push(await p50((n) => raw.add(n)))
    await raw.close()
    await world.client.flushall()
    for (const shadow of round % 2 === 0 ? [false, true] : [true, false]) {
      const dials = { target: '0%', shadow: shadow ? '100%' : '0%' }
      const ours = await world.open({ backend: 'bullmq', queue: `shadow${round}${shadow}`, dials, shadow: true })
      await ours.enqueue('job', payload(0))
      figures[shadow ? 'shadowed' : 'without'].push(await p50((n) => ours.enqueue('job', payload(n))))
      await ours.close()
      await world.client.flushall()
    }
  }
  const growth = median(figures.shadowed.map((value, index) => value / (figures.without[index] as number))) - 1
  print(
    `shadow every job, BullMQ at ${RATE}/s: enqueue p50  raw ${median(figures.raw).toFixed(2)} ms  ours ${median(figures.without).toFixed(2)} ms  shadowed ${median(figures.shadowed).toFixed(2)} ms  growth ${(growth * 100).toFixed(1)} %  most 10 %  ${growth < 0.1 ? 'ok' : 'MISSED'}`,
  )
}
