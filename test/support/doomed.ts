// A producer, worker or mover process that kills or stops itself at a named point: node doomed.ts JSON (see `Doom`). The
// points are put around the ledger and the queues from outside, so that the library knows nothing of them.
//
// It keeps a diary in a folder: `runs` gets a line for each run; an effect makes a file named after its idempotency key,
// which succeeds once a key, and a line in `effects` each time.

import { appendFileSync, existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openCutover } from '../../src/cutover.ts'
import type { LedgerSpec, MigrationLedger } from '../../src/ports/ledger.ts'
import type { EnqueueAnswer, OutgoingJob, Queue, QueueSpec } from '../../src/ports/queue.ts'
import { testFlags } from '../../src/testing/index.ts'
import { otherSide, type Route, type Side } from '../../src/vocabulary/job.ts'
import { altered } from './altered.ts'
import { configOf, type Mail, type Place, partsAt } from './app.ts'

export type Point =
  | 'never'
  | 'after-claim'
  | 'after-begin'
  | 'after-effect'
  | 'after-finish'
  | 'after-joint-end'
  | 'after-compare'
  | 'after-pin'
  | 'after-store'
  | 'before-pin'
  | 'before-finish'
  | 'before-joint-end'
  | 'before-shadow'
  | 'before-begin'
  | 'block'
  | 'after-park'
  | 'after-move'
  | 'after-enqueue'
  | 'after-arrive'
  | 'after-drop'

export interface Doom {
  readonly place: Place
  readonly diary: string
  /** `operator`: forces the job from `from` to the other side. */
  readonly role: 'worker' | 'producer' | 'mover' | 'operator'
  readonly route: Route
  readonly sides: readonly Side[]
  readonly point: Point
  /** `SIGSTOP`: it stands still there until somebody sends SIGCONT. Default `SIGKILL`. */
  readonly signal?: 'SIGKILL' | 'SIGSTOP'
  /** Where a mover moves from; it goes on until SIGTERM with `follow`. */
  readonly from?: Side
  readonly follow?: boolean
  /** Fails every attempt instead. */
  readonly fails?: boolean
  readonly migration?: Record<string, unknown>
  /** The job at which it dies. */
  readonly id: string
}

const doom = JSON.parse(process.argv[2] ?? '{}') as Doom

/** Once: whoever was stopped and goes on does not stop again. */
let doomedYet = false
function die(): void {
  if (doomedYet) return
  doomedYet = true
  const { signal = 'SIGKILL' } = doom
  if (signal === 'SIGSTOP') process.stdout.write('stopping\n')
  process.kill(process.pid, signal)
  if (signal === 'SIGKILL') for (;;); // the signal is on its way
}

interface Asked {
  readonly id: string
  readonly arm?: string
}
/** After these operations of the ledger on the doomed job. */
const AFTER: Partial<Record<Point, keyof MigrationLedger>> = {
  'after-claim': 'claim',
  'after-begin': 'begin',
  'after-finish': 'finish',
  'after-compare': 'compare',
  'after-pin': 'pin',
  'after-move': 'move',
  'after-arrive': 'arrive',
}

/** After these operations of a queue on the doomed job's copy. */
const AFTER_BACKEND: Partial<Record<Point, keyof Queue>> = { 'after-park': 'park', 'after-drop': 'dropParked' }

/** Where a queue stores ends with its acks: before that step is sent, or when it was done and its answer is not read. */
function doomedScript(real: MigrationLedger['endScript']): MigrationLedger['endScript'] {
  if (doom.point === 'before-finish' || doom.point === 'after-finish') return undefined
  return async () => {
    const script = await real?.()
    if (script === undefined) return undefined
    const args: typeof script.args = (ends) => {
      const here = ends.some(({ id }) => id === doom.id)
      if (here && doom.point === 'before-joint-end') die()
      if (here && doom.point === 'after-joint-end') setImmediate(dieUnread)
      return script.args(ends)
    }
    return { ...script, args }
  }
}

/** The step was written in this turn: long enough for the server, and nothing is read meanwhile. */
function dieUnread(): void {
  const until = performance.now() + 500
  while (performance.now() < until);
  die()
}

function doomedLedger(spec: LedgerSpec): LedgerSpec {
  const watched = AFTER[doom.point]
  const migration = (ledger: MigrationLedger): MigrationLedger =>
    altered(ledger, (name, call) => {
      if (name === 'endScript') return doomedScript(call as MigrationLedger['endScript'])
      if (`before-${String(name)}` === doom.point) {
        return async (requests: readonly Asked[]) => {
          if (requests.some(({ id }) => id === doom.id)) die()
          return await (call as (all: readonly Asked[]) => Promise<unknown>)(requests)
        }
      }
      if (name !== watched) return call
      return async (requests: readonly Asked[]) => {
        const answers: unknown = await (call as (all: readonly Asked[]) => Promise<unknown>)(requests)
        if (requests.some(({ id, arm }) => id === doom.id && (arm === undefined || arm === 'primary'))) die()
        return answers
      }
    })
  return {
    ...spec,
    create: (context) =>
      altered(spec.create(context), (name, value) =>
        name === 'migration'
          ? (...args: [never, never]) => migration((value as (...all: unknown[]) => MigrationLedger)(...args))
          : value,
      ),
  }
}

function doomedQueue(spec: QueueSpec): QueueSpec {
  const watch = (queue: Queue, shadow: boolean): Queue =>
    altered(queue, (name, value) => {
      if (name === 'shadow') return () => watch((value as () => Queue)(), true)
      const after = AFTER_BACKEND[doom.point]
      if (after !== undefined && name === after) {
        return async (ids: readonly string[], ...more: never[]) => {
          const answers: unknown = await (value as (...all: unknown[]) => Promise<unknown>)(ids, ...more)
          if (ids.some((id) => id.includes(doom.id))) die()
          return answers
        }
      }
      if (name !== 'enqueue') return value
      return async (jobs: readonly OutgoingJob[]) => {
        const ours = jobs.some(({ data }) => (data as { $cutover: { id: string } }).$cutover.id === doom.id)
        if (ours && shadow && doom.point === 'before-shadow') die()
        const answers = await (value as (all: readonly OutgoingJob[]) => Promise<readonly EnqueueAnswer[]>)(jobs)
        if (ours && !shadow && (doom.point === 'after-store' || doom.point === 'after-enqueue')) die()
        return answers
      }
    })
  return { ...spec, create: () => watch(spec.create(), false) }
}

const parts = partsAt(doom.place)
const bed = {
  ledger: doomedLedger(parts.ledger),
  queue: (side: Side) => doomedQueue(parts.queue(side)),
  stop: async () => {},
}
const target = doom.route.startsWith('target') ? 1 : 0
const shadow = doom.route.endsWith('shadowed') ? 1 : 0
const config = configOf(bed, testFlags({ target, shadow }), {
  migration: { timeout: '10s', attempts: 2, ...doom.migration },
})
const cutover = await openCutover(config, { sweepEvery: '200ms' })

async function handle(mail: Mail, ctx: import('../../src/execution/context.ts').JobContext): Promise<unknown> {
  const here = ctx.id === doom.id && ctx.arm === 'primary'
  appendFileSync(join(doom.diary, 'runs'), `${ctx.id} ${ctx.arm} ${ctx.side} ${process.pid}\n`)
  if (here && doom.point === 'block') {
    process.stdout.write('blocking\n')
    const until = performance.now() + 2500
    while (performance.now() < until); // no timer fires, no lease is renewed
  }
  if (here && doom.point === 'before-begin') die()
  if (doom.fails === true) throw new Error('it fails')
  await ctx.effect('store', { n: mail.n }, ({ idempotencyKey }) => {
    appendFileSync(join(doom.diary, 'effects'), `${idempotencyKey}\n`)
    const file = join(doom.diary, Buffer.from(idempotencyKey).toString('base64url'))
    if (!existsSync(file)) writeFileSync(file, '', { flag: 'wx' })
    if (here && doom.point === 'after-effect') die()
  })
  return { n: mail.n }
}

const from = doom.from ?? 'legacy'
if (doom.role === 'worker') {
  for (const side of doom.sides) await cutover.work('mail', side, handle as never, { concurrency: 1 })
  process.stdout.write('ready\n')
  process.once('SIGTERM', () => void cutover.close({ timeout: '2s' }))
} else if (doom.role === 'operator') {
  const result = await cutover.force('mail', doom.id, { to: otherSide(from), why: 'a test' })
  process.stdout.write(`forced ${JSON.stringify(result)}\n`)
  await cutover.close({ timeout: '2s' })
} else if (doom.role === 'mover') {
  const stop = new AbortController()
  process.once('SIGTERM', () => stop.abort())
  const to = otherSide(from)
  const result = await cutover.move('mail', { from, to, follow: doom.follow === true, signal: stop.signal })
  process.stdout.write(`moved ${JSON.stringify(result)}\n`)
  await cutover.close({ timeout: '2s' })
} else {
  const { reason, duplicate, side } = await cutover.enqueue('mail', { n: 1 } as never, { id: doom.id })
  process.stdout.write(`sent ${JSON.stringify({ reason, duplicate, side })}\n`)
  await cutover.close({ timeout: '2s' })
}
