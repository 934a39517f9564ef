// One process of a soak: node child.ts JSON. It is killed, stopped and started again by `faults.ts` as chance has it.

import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { isCutoverError, type Side } from '../../src/index.ts'
import { type SoakJob, sendOf } from './job.ts'
import { Truth } from './truth.ts'
import { openSoak, type Place } from './world.ts'

export type Role =
  | {
      readonly role: 'producer'
      readonly number: number
      readonly of: number
      readonly jobs: number
      readonly perSecond: number
      readonly seed: number
    }
  | { readonly role: 'worker'; readonly sides: readonly Side[] }
  | { readonly role: 'mover'; readonly from: Side }

const { place, ...role } = JSON.parse(process.argv[2] ?? '{}') as Role & { readonly place: Place }
const truth = new Truth(join(place.folder, 'truth.db'), 60_000)
const stop = new AbortController()
process.once('SIGTERM', () => stop.abort())
// a connection that a fault breaks may reject where nobody listens; the process goes on, as a real one would restart
process.on('unhandledRejection', () => {})
const cutover = await openSoak(place)

async function produce({ number, of, jobs, perSecond, seed }: Extract<Role, { role: 'producer' }>): Promise<void> {
  const sent = truth.sentBy(number)
  const BATCH = 20
  let batch: number[] = []
  for (let n = number; n < jobs && !stop.signal.aborted; n += of) {
    if (!sent.has(n)) batch.push(n)
    if (batch.length < BATCH && n + of < jobs) continue
    const began = performance.now()
    const accepted = await Promise.all(batch.map((one) => send(one, seed)))
    truth.accept(
      accepted.filter((one) => one !== undefined),
      number,
    )
    const pause = (1000 * BATCH) / perSecond - (performance.now() - began)
    batch = []
    if (pause > 0) await delay(pause)
  }
  process.stdout.write('all sent\n')
}

/** Until it is accepted; with an id of the library's own a call that failed is another job. */
async function send(n: number, seed: number): Promise<{ id: string; n: number } | undefined> {
  const { job, delayMs, id } = sendOf(n, seed)
  while (!stop.signal.aborted) {
    try {
      const options = { delay: delayMs, ...(id === undefined ? {} : { id }) }
      return { id: (await cutover.enqueue('mail', job, options)).id, n }
    } catch (cause) {
      if (!isCutoverError(cause) || cause.code === 'closed') throw cause
      await delay(100)
    }
  }
  return undefined
}

async function work({ sides }: Extract<Role, { role: 'worker' }>): Promise<void> {
  for (const side of sides) {
    await cutover.work(
      'mail',
      side,
      async ({ n, kind, slowMs }: SoakJob, ctx) => {
        if (ctx.arm !== 'primary') return { n }
        const run = randomUUID()
        truth.begins({ run, id: ctx.id, side: ctx.side, kind })
        if (slowMs > 0) await delay(slowMs)
        if (kind === 'fail' || (kind === 'retry' && ctx.attempt === 1)) throw new Error('as it is to')
        await ctx.effect('pay', { n }, ({ idempotencyKey }) => truth.effect(run, ctx.id, idempotencyKey))
        truth.ends(run)
        return { n }
      },
      { concurrency: 10 },
    )
  }
  await new Promise((resolve) => stop.signal.addEventListener('abort', resolve))
}

async function move({ from }: Extract<Role, { role: 'mover' }>): Promise<void> {
  const to = from === 'legacy' ? 'target' : 'legacy'
  while (!stop.signal.aborted) {
    // a fault, or nobody on the other side just now, or the latch: looked at again
    await cutover.move('mail', { from, to, signal: stop.signal, limit: 500 }).catch(() => {})
    await delay(300)
  }
}

process.stdout.write('ready\n')
if (role.role === 'producer') await produce(role)
else if (role.role === 'worker') await work(role)
else await move(role)
await cutover.close({ timeout: '5s' }).catch(() => {})
truth.close()
process.exit(0)
