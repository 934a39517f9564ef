// Latch, ceiling and epochs, presence, leases and the audit log in Redis.

import { randomUUID } from 'node:crypto'
import {
  type AuditEntry,
  type AuditLedger,
  type ControlLedger,
  type ControlState,
  type DriveRequest,
  type DriveState,
  type EpochRecord,
  PRESENCE_TTL_MS,
  type Presence,
  type PresenceLedger,
  type PresenceRecord,
} from '../../../src/ports/ledger.ts'
import { DIALS_OFF } from '../../../src/vocabulary/dials.ts'
import type { Json } from '../../../src/vocabulary/outcome.ts'
import { fields, type Port } from './port.ts'
import { SCRIPTS } from './scripts.ts'
import { Reader } from './wire.ts'

/** Before the first epoch was opened. */
const FIRST_EPOCH: EpochRecord = {
  ...{ epoch: 0, startedAt: 0, dials: DIALS_OFF, flagRevision: '', versions: {}, rules: '' },
  ...{ latched: false, by: '' },
}

/** An epoch without what the store puts in front of it. */
type EpochFacts = Pick<EpochRecord, 'dials' | 'flagRevision' | 'versions' | 'rules' | 'ratios'>

function epochFacts({ dials, flagRevision, versions, rules, ratios }: EpochFacts): EpochFacts {
  return { dials, flagRevision, versions, rules, ...(ratios === undefined ? {} : { ratios }) }
}

export function readEpoch(epoch: number, stored: Buffer): EpochRecord {
  if (stored.length === 0) return { ...FIRST_EPOCH, epoch }
  const reader = new Reader(stored)
  const startedAt = reader.time()
  const latched = reader.u8() === 1
  const by = reader.text(2)
  const json = reader.rest()
  const facts = epochFacts(json === '' ? FIRST_EPOCH : (JSON.parse(json) as EpochFacts))
  return { epoch, startedAt, ...facts, latched, by }
}

export function readControl(reply: unknown): ControlState {
  const [now, flat, epoch, stored] = reply as [Buffer, Buffer[], Buffer, Buffer]
  const control = fields(flat)
  const [by, why, at] = [control.get('latchBy'), control.get('latchWhy'), control.get('latchAt')]
  return {
    now: Number(now),
    latch: {
      set: control.get('latch') === '1',
      revision: Number(control.get('latchRevision') ?? 0),
      ...(by === undefined ? {} : { by }),
      ...(why === undefined || why === '' ? {} : { why }),
      ...(at === undefined ? {} : { at: Number(at) }),
    },
    ceiling: Number(control.get('ceiling') ?? 1),
    controlShare: Number(control.get('controlShare') ?? 0),
    epoch: readEpoch(Number(epoch), stored),
    drive: { revision: Number(control.get('drive') ?? 0), driven: control.get('driven') === '1' },
  }
}

function readDrive(control: ControlState, record: Buffer): DriveState {
  const text = record.toString('utf8')
  return { ...control.drive, record: text === '' ? null : (JSON.parse(text) as Json) }
}

/** Everything of a step in the order in which the script takes it; what is left out is an empty text. */
function stepArgs({ expect, token, driven, record, by, ...more }: DriveRequest): string[] {
  const { ceiling, controlShare, latch, epoch, audit } = more
  const facts = epoch && epochFacts(epoch)
  return [
    ...[String(expect.drive), String(expect.latch), token, driven ? '1' : '0', JSON.stringify(record), by],
    ...[ceiling, controlShare].map((value) => (value === undefined ? '' : String(value))),
    ...(latch === undefined ? ['0', ''] : ['1', latch.why]),
    ...(facts === undefined ? ['', ''] : [String(epoch?.expect), JSON.stringify(facts)]),
    ...audit.map(({ action, why, data }) => entry(by, action, why, data)),
  ]
}

export function entry(by: string, action: string, why: string | undefined, data: Json): string {
  return JSON.stringify({ by, action, ...(why === undefined ? {} : { why }), data })
}

export function controlLedger(port: Port): ControlLedger {
  const dial = async (field: string, value: number, audit: string): Promise<ControlState> =>
    readControl(await port.run(SCRIPTS.dial, [field, String(value), audit]))
  return {
    control: async () => readControl(await port.run(SCRIPTS.control, [])),
    setLatch: async ({ set, by, why }) => {
      const audit = entry(by, set ? 'latch' : 'unlatch', why, {})
      return readControl(await port.run(SCRIPTS.latch, [set ? '1' : '0', by, why ?? '', audit]))
    },
    setCeiling: ({ ceiling, by, why }) => dial('ceiling', ceiling, entry(by, 'ceiling', why, { ceiling })),
    setControlShare: ({ share, by, why }) => dial('controlShare', share, entry(by, 'control-share', why, { share })),
    openEpoch: async (request) => {
      const { expect, by, dials, flagRevision, versions } = request
      const json = JSON.stringify(epochFacts(request))
      const data: Json = { epoch: expect + 1, dials: { ...dials }, flagRevision, versions: { ...versions } }
      const args = [String(expect), by, json, entry(by, 'epoch', undefined, data), request.driven === true ? '1' : '0']
      return readControl(await port.run(SCRIPTS.epoch, args))
    },
    driveState: async () => {
      const [state, record] = (await port.run(SCRIPTS.driveState, [])) as [unknown, Buffer]
      return readDrive(readControl(state), record)
    },
    drive: async (request) => {
      const [done, state, record] = (await port.run(SCRIPTS.drive, stepArgs(request))) as [number, unknown, Buffer]
      const control = readControl(state)
      return { done: done === 1, control, drive: readDrive(control, record) }
    },
  }
}

export function presenceLedger(port: Port): PresenceLedger {
  const beat = async (presence: Presence, leaves: boolean): Promise<ControlState> =>
    readControl(await port.run(SCRIPTS.beat, [presence.instance, leaves ? '1' : '0', JSON.stringify(presence)]))
  return {
    beat: (presence) => beat(presence, false),
    leave: async (presence) => {
      await beat(presence, true)
    },
    presence: async () => {
      const [time, ...records] = (await port.run(SCRIPTS.presence, [])) as [Buffer, ...Buffer[]]
      const now = Number(time)
      return records.map((stored): PresenceRecord => {
        const reader = new Reader(stored)
        const at = reader.time()
        const left = reader.u8() === 1
        return { ...(JSON.parse(reader.rest()) as Presence), at, gone: left || now - at > PRESENCE_TTL_MS }
      })
    },
    acquireLease: async (name, holder, ttlMs) => {
      const ttl = String(Math.max(1, Math.round(ttlMs)))
      const [held, by, until] = (await port.run(SCRIPTS.lease, [name, holder, ttl])) as [number, Buffer, Buffer]
      return { held: held === 1, holder: by.toString('utf8'), until: Number(until) }
    },
    releaseLease: async (name, holder) => {
      await port.run(SCRIPTS.lease, [name, holder, '0'])
    },
  }
}

export function auditLedger(port: Port): AuditLedger {
  return {
    audit: async ({ by, action, why, data }) => {
      // named before the first try, so that a repetition appends nothing
      await port.run(SCRIPTS.audit, [entry(by, action, why, data), randomUUID()])
    },
    history: async ({ limit = Number.MAX_SAFE_INTEGER } = {}) => {
      if (limit < 1) return []
      const stored = (await port.run(SCRIPTS.history, [String(limit)])) as Buffer[]
      return stored.reverse().map((each): AuditEntry => {
        const reader = new Reader(each)
        const at = reader.time()
        return { at, ...(JSON.parse(reader.rest()) as Omit<AuditEntry, 'at'>) }
      })
    },
  }
}
