// For users' own tests: a handler under every arm, two handlers held against each other, and a whole cutover without a
// server. Nothing here needs more than Node.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { CompareOptions } from '../comparison/options.ts'
import { compareOutcomes } from '../comparison/pair.ts'
import { decodeOutcome } from '../comparison/replay.ts'
import type { CutoverConfig, Logger } from '../config/types.ts'
import { type Cutover, openCutover } from '../cutover.ts'
import { runAttempt } from '../execution/attempt.ts'
import { type Handler, RunContext } from '../execution/context.ts'
import type { FlagSource, FlagSpec } from '../ports/flags.ts'
import type { QueueSpec } from '../ports/queue.ts'
import type { Comparison } from '../vocabulary/comparison.ts'
import { weightsOf } from '../vocabulary/dials.ts'
import { type Duration, parseDuration } from '../vocabulary/duration.ts'
import type { Arm, Route, Side } from '../vocabulary/job.ts'
import type { Outcome, SeenTools } from '../vocabulary/outcome.ts'
import { type FakeMcp, fakeMcp } from './fake-mcp.ts'

export type { FakeMcp, FakeTool } from './fake-mcp.ts'

const SILENT: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }

export interface RunHandlerOptions<J, R, E> {
  readonly handler: Handler<J, R, E, never>
  readonly payload: J
  /** Default `primary`. */
  readonly arm?: Arm
  /** Default `legacy`. */
  readonly side?: Side
  readonly id?: string
  readonly attempt?: number
  /** What `ctx.native` is; default an empty object. */
  readonly native?: unknown
  /** Default `'60s'`. */
  readonly timeout?: Duration
  /** The tools that `ctx.mcp` has. Without it there is no MCP server. */
  readonly mcp?: FakeMcp
  /** Plays a run that has lost its job: its first effect is refused. */
  readonly loseTheJob?: boolean
}

/** What one run gave. */
export interface HandlerRun<R> {
  readonly ok: boolean
  /** As it would be given back by `result`. */
  readonly result: R | undefined
  /** What the handler threw. */
  readonly error: unknown
  /** Every effect that was recorded, in order; performed only where the arm is `primary`. */
  readonly effects: readonly { readonly name: string; readonly recorded: unknown }[]
  readonly performed: boolean
  /** What it had of each MCP server; empty for a handler that did not ask. */
  readonly mcp: SeenTools
  /** In the stored form, for `compareOutcomes`. */
  readonly outcome: Outcome
}

/** Runs a handler once as it would run in a worker: same context, same time-out, same storing of its result. */
export async function runHandler<J, R, E>(options: RunHandlerOptions<J, R, E>): Promise<HandlerRun<R>> {
  const arm = options.arm ?? 'primary'
  const id = options.id ?? 'test-job'
  const access = options.mcp === undefined ? undefined : fakeMcp(options.mcp)
  const run = new RunContext({
    migration: 'test',
    id,
    arm,
    side: options.side ?? 'legacy',
    attempt: options.attempt ?? 1,
    native: options.native ?? {},
    log: SILENT,
    progress: async () => {},
    begin: async () => options.loseTheJob !== true,
    mcp: access === undefined ? undefined : async () => access,
  })
  const attempt = await runAttempt({
    handler: options.handler as Handler,
    run,
    payload: () => options.payload,
    timeoutMs: parseDuration(options.timeout ?? '60s', 'timeout'),
    waitMs: 0,
    version: '1',
    migration: 'test',
  })
  const { outcome } = attempt
  return {
    ok: outcome.ok,
    result: outcome.ok ? (decodeOutcome(outcome, { migration: 'test', id }) as R) : undefined,
    error: attempt.error,
    effects: outcome.effects,
    performed: arm === 'primary' && outcome.effects.length > 0 && !run.refused,
    mcp: outcome.mcp ?? [],
    outcome,
  }
}

/** Runs one payload through both handlers, without effects, and compares them as a shadow run would be compared. */
export async function compareHandlers<J, R, E>(options: {
  readonly legacy: Handler<J, R, E, never>
  readonly target: Handler<J, R, E, never>
  readonly payload: J
  readonly compare?: CompareOptions<R>
  /** The tools that each of the two has. */
  readonly mcp?: { readonly legacy?: FakeMcp; readonly target?: FakeMcp }
  readonly timeout?: Duration
}): Promise<Comparison> {
  const { payload, timeout } = options
  const shared = { payload, arm: 'shadow', ...(timeout === undefined ? {} : { timeout }) } as const
  const toolsOf = (side: Side): { mcp?: FakeMcp } => {
    const mcp = options.mcp?.[side]
    return mcp === undefined ? {} : { mcp }
  }
  const [legacy, target] = await Promise.all([
    runHandler({ ...shared, ...toolsOf('legacy'), handler: options.legacy, side: 'legacy' }),
    runHandler({ ...shared, ...toolsOf('target'), handler: options.target, side: 'target' }),
  ])
  return compareOutcomes({
    legacy: legacy.outcome,
    target: target.outcome,
    options: (options.compare ?? {}) as CompareOptions<unknown>,
  })
}

/** A flag source whose dials a test turns by hand; every flag has the same. */
export interface TestFlags extends FlagSpec {
  set(dials: { readonly target: number; readonly shadow: number }): void
}

/** Flags in memory, off at first. Keys move nested, as with every other source. */
export function testFlags(start: { target: number; shadow: number } = { target: 0, shadow: 0 }): TestFlags {
  let dials = start
  let revision = 0
  const listeners = new Set<() => void>()
  const source: FlagSource = {
    kind: 'test',
    origin: 'memory',
    ready: async () => {},
    decide: ({ key }) => {
      if (key === '') return { route: 'legacy', reason: 'empty-key' }
      const weights = weightsOf(dials)
      let place = placeOf(key)
      for (const route of ['legacy', 'legacy-shadowed', 'target', 'target-shadowed'] as const satisfies Route[]) {
        if (place < weights[route]) return { route, reason: 'flag' }
        place -= weights[route]
      }
      return { route: 'legacy', reason: 'flag' }
    },
    revision: () => String(revision),
    read: () => ({ kind: 'dials', ...dials }),
    health: () => ({ state: 'ok', ageMs: 0 }),
    onChange: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    close: async () => {},
  }
  return {
    kind: 'test',
    create: () => source,
    set: (next) => {
      dials = next
      revision += 1
      for (const listener of listeners) listener()
    },
  }
}

/** 0 to 999, spread evenly enough for a test. */
function placeOf(key: string): number {
  let hash = 0x811c9dc5
  for (const character of key) hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 0x01000193)
  return ((hash ^ (hash >>> 15)) >>> 0) % 1000
}

export interface TestCutover<I, J, R, E, L, T> {
  readonly cutover: Cutover<I, J, R, E, L, T>
  readonly flags: TestFlags
  /** Closes everything and removes the temporary folder. */
  readonly close: () => Promise<void>
}

/**
 * Your configuration on embedded parts: every queue, the ledger and the flags are replaced by ones that need no server,
 * in a temporary folder. With `route` every job gets that route, whatever the dials say.
 *
 * Handlers that use `ctx.native` see the embedded queue's job.
 */
export async function openTestCutover<I, J, R, E, L, T>(
  config: CutoverConfig<I, J, R, E, L, T>,
  options: { readonly route?: Route } = {},
): Promise<TestCutover<I, J, R, E, L, T>> {
  const [{ embeddedQueue }, { sqliteLedger }] = await Promise.all([
    import('../../adapters/queues/embedded/index.ts'),
    import('../../adapters/ledgers/sqlite/index.ts'),
  ])
  const folder = await mkdtemp(join(tmpdir(), 'cutover-test-'))
  const path = join(folder, 'test.db')
  const flags = testFlags()
  const queue = (name: string, side: Side): QueueSpec => embeddedQueue({ path, queue: `${name}.${side}` })
  const migrations = Object.fromEntries(
    Object.entries(config.migrations).map(([name, migration]) => [
      name,
      { ...(migration as object), legacy: queue(name, 'legacy'), target: queue(name, 'target') },
    ]),
  )
  const replaced = { ...config, ledger: sqliteLedger({ path }), flags, logger: config.logger ?? SILENT, migrations }
  const cutover = await openCutover(replaced as unknown as CutoverConfig<I, J, R, E, L, T>, {
    sweepEvery: '200ms',
    ...(options.route === undefined ? {} : { forcedRoute: options.route }),
  })
  return {
    cutover,
    flags,
    close: async () => {
      await cutover.close({ timeout: '5s' })
      await rm(folder, { recursive: true, force: true })
    },
  }
}
