// The ledger of one migration: every operation of the port as one transaction of the shared file.

import type { Quiet } from '../../../src/ports/drain.ts'
import type {
  AuditEntry,
  BeginRequest,
  CancelAnswer,
  ClaimAnswer,
  ClaimRequest,
  CompareRequest,
  ControlLedger,
  ControlState,
  DiscardAnswer,
  DriveAnswer,
  DriveRequest,
  DriveState,
  ExtendRequest,
  FinishAnswer,
  FinishClass,
  FinishRequest,
  JobRow,
  LedgerSettings,
  MigrationLedger,
  MoveAnswer,
  MoveNote,
  MoveRequest,
  NoteRequest,
  PinAnswer,
  PinRequest,
  Presence,
  PresenceRecord,
  Sample,
  Snapshot,
  UnpinOptions,
} from '../../../src/ports/ledger.ts'
import * as moveRules from '../../../src/ports/move-rules.ts'
import * as rules from '../../../src/ports/row-rules.ts'
import type { ScheduleLedger, ScheduleRecord } from '../../../src/ports/schedules.ts'
import type { Side } from '../../../src/vocabulary/job.ts'
import type { StoredError } from '../../../src/vocabulary/outcome.ts'
import type { ProbeRecord, StoredProbe } from '../../../src/vocabulary/probe.ts'
import type { SqliteDb, SqliteFile } from '../../sqlite-file.ts'
import * as control from './control.ts'
import { keepMismatch, readDifferences, readSamples } from './differences.ts'
import { forgetFirst } from './first-bits.ts'
import { readGauges } from './gauges.ts'
import { forgetMoves, moveOne, readMoves, readPayload } from './moves.ts'
import * as presence from './presence.ts'
import { noteProbe, readProbes } from './probes.ts'
import * as quiet from './quiet.ts'
import { idOf, type LiveRecord, type RowKey, rowOfLive } from './row-codec.ts'
import * as schedules from './schedules.ts'
import { prepareMigration, rowTable } from './schema.ts'
import { dropSlice, pageSettled, slicesToDrop } from './slices.ts'
import { forgetRecent, readBuckets, readRecent, rollUp } from './tallies.ts'
import { foldTimes, readTimes } from './times.ts'
import { HeldRows, Unit } from './unit.ts'

type Which = 'pair' | 'control'

/** Items of one transaction; a larger call is several, so that none holds the event loop for long. */
const CHUNK = 200
const PURGE_ROWS = 2000
/** Settled rows of one read, which holds the event loop. */
const PAGE_ROWS = 1000

export interface SqliteMigrationOptions {
  readonly namespace: string
  readonly name: string
  readonly settings: LedgerSettings
  /** The open file; throws when the ledger is not open. */
  readonly file: () => SqliteFile
}

export class SqliteMigration implements MigrationLedger {
  readonly migration: string
  readonly #namespace: string
  readonly #settings: LedgerSettings
  readonly #file: () => SqliteFile
  readonly #held = new HeldRows()
  #mid: number | undefined

  constructor({ namespace, name, settings, file }: SqliteMigrationOptions) {
    this.migration = name
    this.#namespace = namespace
    this.#settings = settings
    this.#file = file
  }

  // ------------------------------------------------------------------------------------------------------- rows

  pin(requests: readonly PinRequest[]): Promise<readonly PinAnswer[]> {
    return this.#each(requests, pinOne)
  }
  async unpin(ids: readonly string[], options: UnpinOptions = {}): Promise<void> {
    await this.#each(ids, (unit, id) => unit.change(id, (row, env) => rules.unpin(row, options, env)))
  }
  async note(requests: readonly NoteRequest[]): Promise<void> {
    await this.#each(requests, (unit, q) => unit.change(q.id, (row, env) => rules.note(row, q, env)))
  }
  claim(requests: readonly ClaimRequest[]): Promise<readonly ClaimAnswer[]> {
    return this.#each(requests, (unit, q) => unit.change(q.id, (row, env) => rules.claim(row, q, env), q.token))
  }
  begin(requests: readonly BeginRequest[]): Promise<readonly boolean[]> {
    return this.#each(requests, (unit, q) => unit.change(q.id, (row) => rules.begin(row, q)))
  }
  extend(requests: readonly ExtendRequest[]): Promise<readonly boolean[]> {
    return this.#each(requests, (unit, q) => unit.change(q.id, (row, env) => rules.extend(row, q, env)))
  }
  release(requests: readonly BeginRequest[]): Promise<readonly boolean[]> {
    return this.#each(requests, (unit, q) => unit.change(q.id, (row) => rules.release(row, q)))
  }
  finish(requests: readonly FinishRequest[]): Promise<readonly FinishAnswer[]> {
    return this.#each(requests, (unit, q) => unit.finish(q))
  }
  move(requests: readonly MoveRequest[]): Promise<readonly MoveAnswer[]> {
    return this.#each(requests, moveOne)
  }
  arrive(requests: readonly { readonly id: string; readonly gen: number }[]): Promise<readonly boolean[]> {
    return this.#each(requests, (unit, q) => unit.change(q.id, (row) => moveRules.arrive(row, q.gen)))
  }
  payloads(ids: readonly string[]): Promise<readonly (string | undefined)[]> {
    return this.#read((db, mid) => ids.map((id) => readPayload(db, mid, id)))
  }
  moves(id: string): Promise<readonly MoveNote[]> {
    return this.#read((db, mid) => readMoves(db, mid, id))
  }
  discard(id: string): Promise<DiscardAnswer> {
    return this.#one((unit) => unit.change(id, moveRules.discard))
  }
  cancel(id: string): Promise<CancelAnswer> {
    return this.#one((unit) => unit.change(id, rules.cancel))
  }
  closeFailed(id: string, error: StoredError): Promise<boolean> {
    return this.#one((unit) => unit.change(id, (row, env) => rules.closeFailed(row, error, env)))
  }
  markLost(id: string, lost: boolean): Promise<boolean> {
    return this.#one((unit) => unit.change(id, (row, env) => rules.markLost(row, lost, env)))
  }
  row(id: string): Promise<JobRow | undefined> {
    return this.#read((db, mid) => new Unit(db, mid, this.#settings, this.#held).find(id))
  }
  scan({ cursor, limit }: { cursor?: string; limit: number }): Promise<{ rows: readonly JobRow[]; cursor?: string }> {
    return this.#read((db, mid) => {
      const after = cursor === undefined ? '' : 'WHERE id > ?2'
      const select = db.sql(`SELECT * FROM ${rowTable(mid)} ${after} ORDER BY id LIMIT ?1`)
      const found = cursor === undefined ? select.all(limit) : select.all(limit, keyOfCursor(cursor))
      const records = found as unknown as readonly (LiveRecord & { readonly id: RowKey })[]
      const last = records.at(-1)
      const rows = records.map((record) => rowOfLive(record, idOf(record.id)))
      return records.length < limit || last === undefined ? { rows } : { rows, cursor: cursorOf(last.id) }
    })
  }
  settled({
    classes,
    cursor,
    limit,
  }: {
    classes: readonly FinishClass[]
    cursor?: string
    limit: number
  }): Promise<{ rows: readonly JobRow[]; cursor?: string }> {
    return this.#read((db, mid) => {
      const [, sid = '0', key] = /^(\d+) (.*)$/s.exec(cursor ?? '') ?? []
      const after = { sid: Number(sid), key: key === undefined ? undefined : keyOfCursor(key) }
      const { rows, last } = pageSettled(db, mid, after, Math.min(limit, PAGE_ROWS))
      const wanted = rows.filter((row) => row.class !== undefined && classes.includes(row.class))
      return last === undefined ? { rows: wanted } : { rows: wanted, cursor: `${last.sid} ${cursorOf(last.key)}` }
    })
  }

  // ------------------------------------------------------------------------------------------------------ pairs

  async shed(requests: readonly { readonly id: string; readonly which: Which }[]): Promise<void> {
    await this.#each(requests, (unit, q) => unit.change(q.id, (row, env) => rules.shed(row, q.which, env)))
  }
  compare(requests: readonly CompareRequest[]): Promise<readonly boolean[]> {
    return this.#each(requests, (unit, q) =>
      unit.change(q.id, (row, env) => {
        const change = rules.compare(row, q, env)
        if (change.row !== undefined) keepMismatch(unit.db, unit.mid, change.row, q, env.now)
        return change
      }),
    )
  }
  orphan(requests: readonly { readonly id: string; readonly which: Which }[]): Promise<readonly boolean[]> {
    return this.#each(requests, (unit, q) => unit.change(q.id, (row, env) => rules.orphan(row, q.which, env)))
  }
  samples(options: { id?: string } = {}): Promise<readonly Sample[]> {
    return this.#read((db, mid) => readSamples(db, mid, options.id))
  }

  // ---------------------------------------------------------------------------------------------------- tallies

  snapshot({ epoch }: { epoch?: number } = {}): Promise<Snapshot> {
    return this.#read((db, mid) => {
      const now = Date.now()
      const epochs = control.readEpochs(db, mid)
      return {
        now,
        control: control.readControl(db, mid),
        settings: this.#settings,
        epochs,
        buckets: readBuckets(db, mid, epoch),
        ...readTimes(db, mid, { now, epochs, epoch }),
        recent: readRecent(db, mid, now, epoch),
        differences: readDifferences(db, mid, epoch),
        gauges: readGauges(db, mid, now, this.#settings),
      }
    })
  }
  bump(measure: string, n: number): Promise<void> {
    return this.#one((unit) => {
      const { epoch } = control.readControl(unit.db, unit.mid).epoch
      unit.tallies.count(epoch, rules.bucketStart(unit.env.now, this.#settings), [`excluded/${measure}`], n)
    })
  }
  async compact(): Promise<{ merged: number; purged: number }> {
    const { retainMs } = this.#settings
    const now = Date.now()
    const { merged, slices } = await this.#write((db, mid) => {
      presence.forgetPresence(db, mid, now, retainMs)
      forgetMoves(db, mid, now)
      forgetFirst(db, mid, now, retainMs)
      forgetRecent(db, mid, now)
      foldTimes(db, mid, now, control.readEpochs(db, mid))
      return { merged: rollUp(db, mid, now, this.#settings), slices: slicesToDrop(db, mid, now, this.#settings) }
    })
    let purged = 0
    for (const slice of slices) {
      for (let done = false; !done; ) {
        const step = await this.#write((db) => dropSlice(db, slice, PURGE_ROWS))
        purged += step.removed
        done = step.done
      }
    }
    return { merged, purged }
  }

  // ------------------------------------------------------------------------- control, presence, leases, audit

  control(): Promise<ControlState> {
    return this.#read(control.readControl)
  }
  setLatch(request: Parameters<ControlLedger['setLatch']>[0]): Promise<ControlState> {
    return this.#write((db, mid) => control.setLatch(db, mid, request))
  }
  setCeiling(request: Parameters<ControlLedger['setCeiling']>[0]): Promise<ControlState> {
    return this.#write((db, mid) => control.setCeiling(db, mid, request))
  }
  setControlShare(request: Parameters<ControlLedger['setControlShare']>[0]): Promise<ControlState> {
    return this.#write((db, mid) => control.setControlShare(db, mid, request))
  }
  openEpoch(request: Parameters<ControlLedger['openEpoch']>[0]): Promise<ControlState> {
    return this.#write((db, mid) => control.openEpoch(db, mid, request))
  }
  driveState(): Promise<DriveState> {
    return this.#read((db, mid) => {
      const { token: _, ...state } = control.readDrive(db, mid)
      return state
    })
  }
  drive(request: DriveRequest): Promise<DriveAnswer> {
    return this.#write((db, mid) => control.drive(db, mid, request))
  }
  beat(heartbeat: Presence): Promise<ControlState> {
    return this.#write((db, mid) => {
      presence.writePresence(db, mid, heartbeat, false)
      return control.readControl(db, mid)
    })
  }
  leave(heartbeat: Presence): Promise<void> {
    return this.#write((db, mid) => presence.writePresence(db, mid, heartbeat, true))
  }
  presence(): Promise<readonly PresenceRecord[]> {
    return this.#read((db, mid) => presence.readPresence(db, mid, this.#settings.retainMs))
  }
  acquireLease(name: string, holder: string, ttlMs: number): Promise<presence.LeaseAnswer> {
    return this.#write((db, mid) => presence.acquireLease(db, mid, { name, holder, ttlMs }))
  }
  releaseLease(name: string, holder: string): Promise<void> {
    return this.#write((db, mid) => presence.releaseLease(db, mid, name, holder))
  }
  audit(entry: Omit<AuditEntry, 'at'>): Promise<void> {
    return this.#write((db, mid) => control.addAudit(db, mid, entry))
  }
  history({ limit }: { limit?: number } = {}): Promise<readonly AuditEntry[]> {
    return this.#read((db, mid) => control.readAudit(db, mid, limit))
  }

  // -------------------------------------------------------------------------------------------------- schedules

  declareSchedule(request: Parameters<ScheduleLedger['declareSchedule']>[0]): Promise<ScheduleRecord> {
    return this.#write((db, mid) => schedules.declareSchedule(db, mid, request))
  }
  tickFired(name: string, tick: number): Promise<void> {
    return this.#write((db, mid) => schedules.tickFired(db, mid, name, tick))
  }
  removeSchedule(request: Parameters<ScheduleLedger['removeSchedule']>[0]): Promise<void> {
    return this.#write((db, mid) => schedules.removeSchedule(db, mid, request))
  }
  schedules(): Promise<{ now: number; schedules: readonly ScheduleRecord[] }> {
    return this.#read((db, mid) => ({ now: Date.now(), schedules: schedules.readSchedules(db, mid) }))
  }

  // ---------------------------------------------------------------------------------------------------- probes

  noteProbe(probe: ProbeRecord): Promise<void> {
    return this.#write((db, mid) => noteProbe(db, mid, probe))
  }
  probes(): Promise<readonly StoredProbe[]> {
    return this.#read(readProbes)
  }

  noteQuiet(side: Side, print: string | undefined): Promise<Quiet | undefined> {
    return this.#write((db, mid) => quiet.noteQuiet(db, mid, side, print))
  }
  quiet(): Promise<Readonly<Partial<Record<Side, Quiet>>>> {
    return this.#read(quiet.readQuiet)
  }

  // ---------------------------------------------------------------------------------------------- transactions

  async #write<T>(work: (db: SqliteDb, mid: number) => T): Promise<T> {
    const file = this.#file()
    const mid = this.#mid ?? (await this.#prepare(file))
    return file.write((db) => work(db, mid))
  }

  async #read<T>(work: (db: SqliteDb, mid: number) => T): Promise<T> {
    const file = this.#file()
    const mid = this.#mid ?? (await this.#prepare(file))
    return file.read((db) => work(db, mid))
  }

  async #prepare(file: SqliteFile): Promise<number> {
    // kept only once it is committed
    this.#mid = await file.write((db) => prepareMigration(db, this.#namespace, this.migration, Date.now()))
    return this.#mid
  }

  #one<T>(act: (unit: Unit) => T): Promise<T> {
    return this.#write((db, mid) => {
      const unit = new Unit(db, mid, this.#settings, this.#held)
      const answer = act(unit)
      unit.end()
      return answer
    })
  }

  async #each<Q, A>(requests: readonly Q[], act: (unit: Unit, request: Q) => A): Promise<readonly A[]> {
    if (requests.length === 0) return []
    if (requests.length <= CHUNK) return this.#one((unit) => requests.map((request) => act(unit, request)))
    const chunks: Promise<A[]>[] = []
    for (let start = 0; start < requests.length; start += CHUNK) {
      const chunk = requests.slice(start, start + CHUNK)
      chunks.push(this.#one((unit) => chunk.map((request) => act(unit, request))))
    }
    return (await Promise.all(chunks)).flat()
  }
}

function pinOne(unit: Unit, request: PinRequest): PinAnswer {
  if (request.fresh) {
    // the library has just made this id: nothing can be in the way but an earlier try of this very call
    const first = unit.first(request)
    const inserted = unit.insert(request.id, rules.pin(undefined, request, first, unit.env))
    if (inserted !== undefined) return inserted
  }
  return unit.change(request.id, (row, env) => {
    const first = row === undefined ? unit.first(request) : { ofKey: false, ofDay: false }
    return rules.pin(row, request, first, env)
  })
}

function cursorOf(key: RowKey): string {
  return typeof key === 'string' ? `t${key}` : `u${idOf(key)}`
}
function keyOfCursor(cursor: string): RowKey {
  return cursor.startsWith('t') ? cursor.slice(1) : Buffer.from(cursor.slice(1).replaceAll('-', ''), 'hex')
}
