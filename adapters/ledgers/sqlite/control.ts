// Control state, epochs, latch, audit log: few small records that every process reads once a second.

import type {
  AuditEntry,
  ControlLedger,
  ControlState,
  DriveAnswer,
  DriveRequest,
  DriveState,
  EpochRecord,
} from '../../../src/ports/ledger.ts'
import type { Json } from '../../../src/vocabulary/outcome.ts'
import type { SqliteDb } from '../../sqlite-file.ts'

type Request<K extends keyof ControlLedger> = Parameters<ControlLedger[K]>[0]

export function readControl(db: SqliteDb, mid: number): ControlState {
  const record = db
    .sql(`SELECT latch, ceiling, share, e.record AS record, revision, driven FROM ledger_control
      JOIN ledger_epoch AS e USING (mid, epoch) LEFT JOIN ledger_drive USING (mid) WHERE mid = ?`)
    .get(mid) as {
    latch: string
    ceiling: number
    share: number
    record: string
    revision: number | null
    driven: number | null
  }
  return {
    now: Date.now(),
    latch: JSON.parse(record.latch) as ControlState['latch'],
    ceiling: record.ceiling,
    controlShare: record.share,
    epoch: JSON.parse(record.record) as EpochRecord,
    drive: { revision: record.revision ?? 0, driven: record.driven === 1 },
  }
}

export function readEpochs(db: SqliteDb, mid: number): readonly EpochRecord[] {
  const records = db.sql('SELECT record FROM ledger_epoch WHERE mid = ? ORDER BY epoch').all(mid)
  return records.map(({ record }) => JSON.parse(String(record)) as EpochRecord)
}

/** Changes nothing when the latch stands as asked for: a repeated call opens no second epoch. */
export function setLatch(db: SqliteDb, mid: number, { set, by, why }: Request<'setLatch'>): ControlState {
  const state = readControl(db, mid)
  if (state.latch.set === set) return state
  const because = why === undefined ? {} : { why }
  const revision = turnLatch(db, mid, state, { set, by, ...because })
  const data = { revision, epoch: state.epoch.epoch + 1 }
  addAudit(db, mid, { by, action: set ? 'latch' : 'unlatch', ...because, data })
  return readControl(db, mid)
}

function turnLatch(db: SqliteDb, mid: number, state: ControlState, request: Request<'setLatch'>): number {
  const { set, by } = request
  const latch = { ...request, revision: state.latch.revision + 1, at: state.now }
  db.sql('UPDATE ledger_control SET latch = ? WHERE mid = ?').run(JSON.stringify(latch), mid)
  if (set && state.drive.driven) db.sql('UPDATE ledger_control SET ceiling = 0 WHERE mid = ?').run(mid)
  addEpoch(db, mid, { ...state.epoch, epoch: state.epoch.epoch + 1, startedAt: state.now, latched: set, by })
  return latch.revision
}

export function setCeiling(db: SqliteDb, mid: number, { ceiling, by, why }: Request<'setCeiling'>): ControlState {
  const { ceiling: before } = readControl(db, mid)
  if (before !== ceiling) {
    db.sql('UPDATE ledger_control SET ceiling = ? WHERE mid = ?').run(ceiling, mid)
    addAudit(db, mid, { by, action: 'ceiling', ...(why === undefined ? {} : { why }), data: { before, ceiling } })
  }
  return readControl(db, mid)
}

export function setControlShare(
  db: SqliteDb,
  mid: number,
  { share, by, why }: Request<'setControlShare'>,
): ControlState {
  const { controlShare: before } = readControl(db, mid)
  if (before !== share) {
    db.sql('UPDATE ledger_control SET share = ? WHERE mid = ?').run(share, mid)
    addAudit(db, mid, { by, action: 'control-share', ...(why === undefined ? {} : { why }), data: { before, share } })
  }
  return readControl(db, mid)
}

export function readDrive(db: SqliteDb, mid: number): DriveState & { readonly token: string } {
  const stored = db.sql('SELECT revision, driven, token, record FROM ledger_drive WHERE mid = ?').get(mid)
  if (stored === undefined) return { revision: 0, driven: false, token: '', record: null }
  const record = JSON.parse(String(stored.record)) as Json
  return { revision: Number(stored.revision), driven: stored.driven === 1, token: String(stored.token), record }
}

export function drive(db: SqliteDb, mid: number, request: DriveRequest): DriveAnswer {
  const before = readDrive(db, mid)
  const again = before.token === request.token
  const done = again || step(db, mid, before.revision, request)
  const { token: _, ...after } = readDrive(db, mid)
  return { done, control: readControl(db, mid), drive: after }
}

/** All of it, or nothing: answers which. */
function step(db: SqliteDb, mid: number, revision: number, request: DriveRequest): boolean {
  const { expect, token, driven, record, by, ceiling, controlShare, latch, epoch, audit } = request
  const state = readControl(db, mid)
  if (revision !== expect.drive || state.latch.revision !== expect.latch) return false
  if (epoch !== undefined && epoch.expect !== state.epoch.epoch) return false
  const replace = db.sql('INSERT OR REPLACE INTO ledger_drive VALUES (?, ?, ?, ?, ?)')
  replace.run(mid, revision + 1, driven ? 1 : 0, token, JSON.stringify(record))
  if (ceiling !== undefined) db.sql('UPDATE ledger_control SET ceiling = ? WHERE mid = ?').run(ceiling, mid)
  if (controlShare !== undefined) db.sql('UPDATE ledger_control SET share = ? WHERE mid = ?').run(controlShare, mid)
  if (latch !== undefined && !state.latch.set) turnLatch(db, mid, state, { set: true, by, why: latch.why })
  if (epoch !== undefined) {
    const { expect: current, ...fields } = epoch
    const opened = { ...fields, by, epoch: current + 1, startedAt: state.now, latched: state.latch.set }
    addEpoch(db, mid, opened)
  }
  for (const entry of audit) addAudit(db, mid, { by, ...entry })
  return true
}

export function openEpoch(db: SqliteDb, mid: number, request: Request<'openEpoch'>): ControlState {
  const state = readControl(db, mid)
  const { expect, driven = false, ...fields } = request
  if (state.epoch.epoch !== expect || state.drive.driven !== driven) return state
  const record: EpochRecord = { ...fields, epoch: expect + 1, startedAt: state.now, latched: state.latch.set }
  addEpoch(db, mid, record)
  const { epoch, dials, flagRevision, versions, rules } = record
  const data = { epoch, dials: { ...dials }, flagRevision, versions: { ...versions }, rules }
  addAudit(db, mid, { by: record.by, action: 'epoch', data })
  return readControl(db, mid)
}

function addEpoch(db: SqliteDb, mid: number, record: EpochRecord): void {
  db.sql('INSERT INTO ledger_epoch VALUES (?, ?, ?)').run(mid, record.epoch, JSON.stringify(record))
  db.sql('UPDATE ledger_control SET epoch = ? WHERE mid = ?').run(record.epoch, mid)
}

export function addAudit(db: SqliteDb, mid: number, { by, action, why, data }: Omit<AuditEntry, 'at'>): void {
  const insert = db.sql('INSERT INTO ledger_audit VALUES (NULL, ?, ?, ?, ?, ?, ?)')
  insert.run(mid, Date.now(), by, action, why ?? null, JSON.stringify(data))
}

export function readAudit(db: SqliteDb, mid: number, limit: number | undefined): readonly AuditEntry[] {
  const records = db
    .sql('SELECT at, by, action, why, data FROM ledger_audit WHERE mid = ? ORDER BY seq DESC LIMIT ?')
    .all(mid, limit ?? -1) as unknown as readonly {
    at: number
    by: string
    action: string
    why: string | null
    data: string
  }[]
  return records.map(({ at, by, action, why, data }) => ({
    ...{ at, by, action },
    ...(why === null ? {} : { why }),
    data: JSON.parse(data) as Json,
  }))
}
