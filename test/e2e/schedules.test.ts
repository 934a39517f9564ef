// Schedules fired by processes that are killed at named points, stopped past their lease or have another clock: every
// second of the pattern gives one job, none is left out and none is run twice. Counted by what the handlers noted.

import { type ChildProcess, spawn } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { SCHEDULE_LEASE_MS } from '../../src/backlog/schedules.ts'
import { type App, type Bed, embeddedBed, openApp, type Place, partsAt, redisBed, until } from '../support/app.ts'
import { hasRedis, startRedis } from '../support/redis.ts'
import type { Ticker } from '../support/ticker.ts'

type PlacedBed = Bed & { place: Place }
const BEDS: [string, boolean, () => Promise<PlacedBed>][] = [
  ['embedded and SQLite', true, async () => embeddedBed()],
  ['bee-queue, BullMQ and Redis', hasRedis(), redisBed],
]

interface Child {
  readonly process: ChildProcess
  /** It holds the lease. */
  readonly owner: () => Promise<unknown>
  readonly died: Promise<unknown>
}

function start(place: Place, over: Partial<Ticker> = {}): Child {
  const script = new URL('../support/ticker.ts', import.meta.url).pathname
  const ticker: Ticker = { place, point: 'never', skewMs: 0, ...over }
  const child = spawn(process.execPath, [script, JSON.stringify(ticker)], { stdio: ['ignore', 'pipe', 'pipe'] })
  let [out, errors] = ['', '']
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()))
  const died = new Promise((resolve) => child.once('exit', (code, signal) => resolve(signal ?? code)))
  return { process: child, owner: () => until(() => out.includes('owner'), `it owns; ${errors}`, 20_000), died }
}

/** The ticks of the jobs that were run, in order. */
function ticksOf(app: App): number[] {
  const time = /^schedule_each-second_(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/
  return app.runs.map(({ id }) => Date.parse(id.replace(time, '$1-$2-$3T$4:$5:$6Z'))).sort((a, b) => a - b)
}

/** Waits for the job of a tick after `time` and all before it, then holds what was run against the pattern. */
async function expectEveryTickOnce(app: App, time: number): Promise<void> {
  const [schedule] = await app.cutover.schedules('mail')
  const first = Math.floor((schedule?.since ?? 0) / 1000) * 1000 + 1000
  const wanted = Array.from({ length: Math.floor((time - first) / 1000) + 2 }, (_, n) => first + 1000 * n)
  const ran = (): Set<number> => new Set(ticksOf(app))
  const missing = (): string[] => wanted.filter((tick) => !ran().has(tick)).map((tick) => new Date(tick).toISOString())
  await until(() => missing().length === 0, 'every tick', SCHEDULE_LEASE_MS + 15_000).catch(() => {})
  expect(missing()).toEqual([])
  expect(ticksOf(app)).toHaveLength(ran().size)
  expect(Math.min(...ran())).toBe(first)
}

type Ends = (end: () => Promise<void>) => void

/** A bed, an app that works in this process, and a way to start tickers; each is ended when the test is. */
async function scene(make: () => Promise<PlacedBed>, ends: Ends) {
  const bed = await make()
  ends(() => bed.stop())
  const app = await openApp(bed, { dials: { target: 0.5, shadow: 0 } })
  ends(() => app.close())
  const child = (over?: Partial<Ticker>): Child => {
    const made = start(bed.place, over)
    ends(async () => {
      made.process.kill('SIGKILL')
      await made.died
    })
    return made
  }
  return { app, child }
}

/** Each test mostly waits for a lease to be over. They do so together, so each also waits for the others' processes. */
const TOGETHER_MS = 60_000

describe.concurrent.each(BEDS)('%s', { timeout: TOGETHER_MS }, (_name, possible, make) => {
  it.runIf(possible).for(['acquireLease', 'pin', 'enqueue', 'tickFired'] as const)(
    'the owner is killed after %s: the next one goes on where it was',
    async (point, { onTestFinished }) => {
      const { app, child } = await scene(make, onTestFinished)
      const doomed = child({ point })
      await doomed.owner()
      expect(await doomed.died).toBe('SIGKILL')
      await child().owner()
      await app.both() // only now: whoever works would fire, too
      await expectEveryTickOnce(app, Date.now())
    },
  )

  it.runIf(possible)('an owner that closes in order hands over', async ({ onTestFinished }) => {
    const { app, child } = await scene(make, onTestFinished)
    const first = child()
    await first.owner()
    const fired = async (): Promise<boolean> => (await app.cutover.schedules('mail'))[0]?.lastTick !== undefined
    await until(fired, 'the first tick')
    const second = child()
    first.process.kill('SIGTERM')
    expect(await first.died).toBe(0)
    await second.owner()
    await app.both()
    await expectEveryTickOnce(app, Date.now() + 1000)
  })

  it.runIf(possible)('everybody is gone for a while: what was missed is fired', async ({ onTestFinished }) => {
    const { app, child } = await scene(make, onTestFinished)
    await child({ point: 'tickFired' }).died
    const away = Date.now()
    await until(() => Date.now() > away + SCHEDULE_LEASE_MS, 'the lease is over')
    await app.both()
    await expectEveryTickOnce(app, Date.now())
  })
})

describe.runIf(hasRedis())('with Redis', () => {
  it('one that was stopped past its lease goes on beside its successor, with a clock five minutes off', async ({
    onTestFinished,
  }) => {
    const { app, child } = await scene(redisBed, onTestFinished)
    const slow = child({ skewMs: -300_000 })
    await slow.owner()
    slow.process.kill('SIGSTOP')
    await child({ skewMs: 300_000 }).owner()
    await app.both()
    await until(() => app.runs.length >= 3, 'the successor fires')
    slow.process.kill('SIGCONT')
    await expectEveryTickOnce(app, Date.now() + 2000)
    expect(ticksOf(app).every((tick) => Math.abs(tick - Date.now()) < 60_000)).toBe(true)
  })

  it('a Redis that is killed and started again costs no tick', async ({ onTestFinished }) => {
    const server = await startRedis({ appendOnly: true })
    onTestFinished(() => server.stop())
    const place = { url: server.url }
    const { app, child } = await scene(async () => ({ ...partsAt(place), place, stop: async () => {} }), onTestFinished)
    await child().owner()
    const fired = async (): Promise<boolean> => (await app.cutover.schedules('mail'))[0]?.lastTick !== undefined
    await until(fired, 'the first tick')
    await server.kill()
    const down = Date.now()
    await until(() => Date.now() > down + 2500, 'some ticks are due')
    await server.restart()
    await until(() => fired().catch(() => false), 'the ledger answers again')
    await app.both()
    await expectEveryTickOnce(app, Date.now() + 1000)
  })
})
