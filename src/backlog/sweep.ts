// Finds what nobody will bring to an end by himself: pairs left uncompared, orphans, overdue jobs, parked copies.
//
// One sweeper a migration (a lease in the ledger says which). It only closes what the row rules let it close, and it
// never guesses: a job that is overdue is looked for in its backend, and said to be lost only if no copy is there.

import type { JobRow, LedgerSettings, MigrationLedger, PairState, PresenceRecord } from '../ports/ledger.ts'
import type { Queue } from '../ports/queue.ts'
import { isOrphan, isOverdue, MEASURES, neverStarted } from '../ports/row-rules.ts'
import type { EmitEvent } from '../vocabulary/events.ts'
import { SIDES, type Side } from '../vocabulary/job.ts'
import { backendIdOfRow } from './backend-id.ts'
import type { Mover } from './move.ts'
import { isAbandoned, recoverParked, recoverRows } from './recover.ts'

const PAGE = 500
/** Backends are asked about at most this many overdue jobs a sweep. */
const MOST_ASKED = 1000
const LEASE_MS = 15_000
const STOP_MS = 2000

export interface SweeperOptions {
  readonly migration: string
  readonly instance: string
  readonly settings: LedgerSettings
  readonly ledger: () => Promise<MigrationLedger>
  /** The main queue of a side, opened. */
  readonly queue: (side: Side) => Promise<Queue>
  /** The queues that this process has open anyway, shadow queues too: their parked copies are looked at. */
  readonly openQueues: () => readonly Queue[]
  /** Brings moves to their end whose mover died. */
  readonly mover: Mover
  readonly compare: (id: string, pair: PairState) => Promise<void>
  readonly emit: EmitEvent
  readonly everyMs: number
}

export interface SweepResult {
  readonly compared: number
  readonly orphaned: number
  readonly lost: number
  readonly closed: number
  readonly unparked: number
  /** Moves of a mover that died, brought to their end; and copies that it had taken, put back. */
  readonly moved: number
  readonly returned: number
}

export class Sweeper {
  readonly #o: SweeperOptions
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> | undefined
  #compactAt = 0
  /** Overdue rows to pass over in the next sweep: those behind them have their turn. */
  #skip = 0
  /** What could not be looked at in the pass before: a fault that stays is told once. */
  #told: ReadonlyMap<string, string> = new Map()
  #stopped = false

  constructor(options: SweeperOptions) {
    this.#o = options
  }

  start(): void {
    if (this.#timer !== undefined || this.#stopped) return
    this.#schedule(this.#o.everyMs)
  }

  #schedule(ms: number): void {
    this.#timer = setTimeout(() => {
      const began = performance.now()
      this.#running = this.#turn().finally(() => {
        this.#running = undefined
        // a long scan is repeated less often: sweeping takes at most a twentieth of the time
        if (!this.#stopped) this.#schedule(Math.max(this.#o.everyMs, 20 * (performance.now() - began)))
      })
    }, ms).unref()
  }

  async #turn(): Promise<void> {
    try {
      const ledger = await this.#o.ledger()
      const lease = await ledger.acquireLease('sweeper', this.#o.instance, LEASE_MS)
      if (lease.held) await this.sweep()
    } catch (cause) {
      this.#o.emit({ type: 'sweep-error', migration: this.#o.migration, message: messageOf(cause) })
    }
  }

  /** One pass, without asking for the lease: for tests and the command line. */
  async sweep(): Promise<SweepResult> {
    const ledger = await this.#o.ledger()
    const pass = new Pass(this.#o, ledger, { skip: this.#skip, stopped: () => this.#stopped })
    if (await pass.rows()) await noteBacklog(ledger, pass.backlog)
    await pass.parked()
    this.#skip = pass.skipNext
    this.#told = pass.tell(this.#told)
    if (Date.now() >= this.#compactAt) {
      this.#compactAt = Date.now() + 30_000
      await ledger.compact()
    }
    return pass.result
  }

  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#timer)
    // a pass looks at `#stopped` between rows; one call to a backend that hangs is not waited for longer than this
    await Promise.race([this.#running, new Promise((resolve) => setTimeout(resolve, STOP_MS).unref())])
    try {
      await (await this.#o.ledger()).releaseLease('sweeper', this.#o.instance)
    } catch {
      // the lease runs out by itself
    }
  }
}

/** What one look found of a side. */
interface Backlog {
  unfinished: number
  /** How long the job that has waited longest for its first start was due, ms; 0: none waits. */
  oldestMs: number
}

/** For the report's plots over time. */
async function noteBacklog(ledger: MigrationLedger, backlog: Readonly<Record<Side, Backlog>>): Promise<void> {
  for (const side of SIDES) {
    const { unfinished, oldestMs } = backlog[side]
    if (unfinished > 0) await ledger.bump(MEASURES.backlogSeen(side), unfinished)
    if (oldestMs > 0) await ledger.bump(MEASURES.backlogOldest(side), Math.round(oldestMs))
  }
  await ledger.bump(MEASURES.backlogLooks, 1)
}

class Pass {
  readonly #o: SweeperOptions
  readonly #ledger: MigrationLedger
  readonly result = { compared: 0, orphaned: 0, lost: 0, closed: 0, unparked: 0, moved: 0, returned: 0 }
  /** Of the rows met; one that changed during the scan may be in it twice. */
  readonly backlog: Readonly<Record<Side, Backlog>> = {
    legacy: { unfinished: 0, oldestMs: 0 },
    target: { unfinished: 0, oldestMs: 0 },
  }
  readonly #faults = new Map<string, string>()
  readonly #skip: number
  readonly #stopped: () => boolean
  /** Overdue rows met so far. */
  #overdueSeen = 0
  #asked = 0
  #presence: readonly PresenceRecord[] | undefined

  constructor(
    options: SweeperOptions,
    ledger: MigrationLedger,
    turn: { readonly skip: number; readonly stopped: () => boolean },
  ) {
    this.#o = options
    this.#ledger = ledger
    this.#skip = turn.skip
    this.#stopped = turn.stopped
  }

  /** Where the next sweep begins to ask: behind those asked now, or at the first one again. */
  get skipNext(): number {
    return this.#overdueSeen > this.#skip + this.#asked ? this.#skip + this.#asked : 0
  }

  /** True: all were looked at. */
  async rows(): Promise<boolean> {
    let cursor: string | undefined
    do {
      const page = await this.#ledger.scan({ limit: PAGE, ...(cursor === undefined ? {} : { cursor }) })
      const { now } = await this.#ledger.control()
      for (const row of page.rows) {
        if (this.#stopped()) return false
        this.#seen(row, now)
        await this.#row(row, now)
      }
      await this.#abandoned(page.rows.filter((row) => isAbandoned(row, now)))
      cursor = page.cursor
    } while (cursor !== undefined)
    return true
  }

  #seen({ state, side, startedAt, stamp }: JobRow, now: number): void {
    if (state === 'finished') return
    const backlog = this.backlog[side]
    backlog.unfinished += 1
    if (state === 'open' && startedAt === undefined) backlog.oldestMs = Math.max(backlog.oldestMs, now - stamp.dueAt)
  }

  async #abandoned(rows: readonly JobRow[]): Promise<void> {
    if (rows.length === 0 || this.#faults.has('moves')) return
    try {
      this.result.moved += await recoverRows(rows, this.#ledger, this.#o.mover)
    } catch (cause) {
      this.#fault('moves', cause)
    }
  }

  async #row(row: JobRow, now: number): Promise<void> {
    const env = { now, settings: this.#o.settings }
    await this.#pair(row)
    for (const which of ['pair', 'control'] as const) {
      if (!isOrphan(row, which, env)) continue
      const [orphaned] = await this.#ledger.orphan([{ id: row.id, which }])
      if (orphaned === true) this.result.orphaned += 1
    }
    const held = row.state === 'running' && row.leaseUntil > now
    if (!isOverdue(row, env) || held || row.state === 'moving') return
    this.#overdueSeen += 1
    if (this.#overdueSeen <= this.#skip || this.#asked >= MOST_ASKED) return
    this.#asked += 1
    // one fault is enough: a side that cannot be asked would cost its time-out for every row
    if (this.#faults.has(`${row.side} queue`)) return
    try {
      await this.#overdue(row)
    } catch (cause) {
      this.#fault(`${row.side} queue`, cause) // one side that cannot be asked keeps nothing else from being swept
    }
  }

  async #pair(row: JobRow): Promise<void> {
    const { primary, shadow, control } = row.slots
    const pair = row.verdict === 'open' && primary !== undefined && shadow !== undefined
    const controlled =
      row.controlVerdict === 'open' && control !== undefined && (primary !== undefined || shadow !== undefined)
    if (!pair && !controlled) return
    const { verdict, controlVerdict, slots } = row
    await this.#o.compare(row.id, { route: row.stamp.route, verdict, controlVerdict, slots })
    this.result.compared += 1
  }

  async #overdue(row: JobRow): Promise<void> {
    const queue = await this.#o.queue(row.side)
    const { place, reason } = await queue.find(backendIdOfRow(row))
    if (place === 'failed') {
      const message = reason ?? 'the backend gave the job up without running the handler to an end'
      const error = { name: 'CutoverError', code: 'backend-failed', message }
      if (await this.#ledger.closeFailed(row.id, error)) this.result.closed += 1
      return
    }
    const gone = place === 'absent' || place === 'completed'
    if (gone && row.lostAt === undefined) {
      if (await this.#neverAccepted(row)) return
      // it may have ended since its page was read: then it is in no backend, and not lost
      if (!(await this.#ledger.markLost(row.id, true))) return
      this.result.lost += 1
      this.#o.emit({ type: 'job-lost', migration: this.#o.migration, id: row.id, side: row.side })
    }
    if (!gone && row.lostAt !== undefined) await this.#ledger.markLost(row.id, false)
  }

  /**
   * A producer that died between pin and enqueue never answered its caller. Its last heartbeat says up to when all its
   * pins were answered; what it pinned later and no backend has is taken back, counted as `refused`.
   */
  async #neverAccepted(row: JobRow): Promise<boolean> {
    // what is not fenced was noted after its queue had it
    if (!neverStarted(row) || !row.stamp.fenced || row.producer === undefined) return false
    this.#presence ??= await this.#ledger.presence()
    const producer = this.#presence.find((record) => record.instance === row.producer)
    if (producer?.gone !== true || producer.confirmedBefore > row.pinnedAt) return false
    // the backend was asked after the row was read: a pin that has met the row only since then is left alone
    await this.#ledger.unpin([row.id], { evenIfShared: row.shared === true })
    return true
  }

  async parked(): Promise<void> {
    for (const queue of this.#o.openQueues()) {
      await this.#parkedIn(queue).catch((cause: unknown) => this.#fault(`parked jobs of ${queue.name}`, cause))
    }
    for (const side of SIDES) {
      if (this.#stopped()) return
      await this.#taken(side).catch((cause: unknown) => this.#fault(`jobs of ${side} that a mover took`, cause))
    }
  }

  /** On both sides, whatever this process works on: their mover may have been anywhere. */
  async #taken(side: Side): Promise<void> {
    const { moved, returned } = await recoverParked(side, await this.#o.queue(side), this.#ledger, this.#o.mover)
    this.result.moved += moved
    this.result.returned += returned
  }

  #fault(where: string, cause: unknown): void {
    this.#faults.set(where, messageOf(cause))
  }

  /** What could not be looked at, but for what was told of the pass before; answers it. */
  tell(before: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
    for (const [where, message] of this.#faults) {
      if (before.get(where) !== message)
        this.#o.emit({ type: 'sweep-error', migration: this.#o.migration, message: `${where}: ${message}` })
    }
    return this.#faults
  }

  /** `late` and `damaged` stay where they are, visible; what a mover took is `recover.ts`. */
  async #parkedIn(queue: Queue): Promise<void> {
    const reasons = ['deferred', 'newer'] as const
    let cursor: string | undefined
    do {
      const page = await queue.parked({ reasons, limit: PAGE, ...(cursor === undefined ? {} : { cursor }) })
      const due = page.jobs.filter((job) => job.runAt <= Date.now()).map((job) => job.backendId)
      if (due.length > 0) this.result.unparked += (await queue.unpark(due)).filter(Boolean).length
      cursor = page.cursor
    } while (cursor !== undefined && !this.#stopped())
  }
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause)
}
