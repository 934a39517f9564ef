// Counters of a migration in Redis as one consistent snapshot, and their compaction.

import { randomUUID } from 'node:crypto'
import { addStored } from '../../../src/ports/families.ts'
import type {
  CountKey,
  DifferenceGroup,
  EpochRecord,
  Gauges,
  RecentCounts,
  Snapshot,
  TallyBucket,
  TallyLedger,
} from '../../../src/ports/ledger.ts'
import type { DifferenceKind } from '../../../src/vocabulary/comparison.ts'
import { readControl, readEpoch } from './control-ledger.ts'
import { fields, type Port } from './port.ts'
import { SCRIPTS } from './scripts.ts'
import { foldTimes, readTimes } from './times.ts'

/** Buckets of one step of compaction. */
const COMPACT_STEP = 200

export function tallyLedger(port: Port): TallyLedger {
  return {
    snapshot: async ({ epoch } = {}) => {
      const asked = epoch === undefined ? '' : String(epoch)
      return readSnapshot(port, await port.run(SCRIPTS.snapshot, [asked]), epoch)
    },
    bump: async (measure, n) => {
      // named before the first try, so that a repetition adds nothing
      await port.run(SCRIPTS.bump, [measure, String(n), randomUUID()])
    },
    compact: async () => {
      const total = { merged: 0, purged: 0 }
      await foldTimes(port)
      for (;;) {
        const reply = await port.run(SCRIPTS.compact, [String(COMPACT_STEP)])
        const [merged, purged, more] = reply as [number, number, number]
        total.merged += merged
        total.purged += purged
        if (more === 0) return total
      }
    },
  }
}

/** Per epoch: its number, closed and open buckets, sums of times, differences, those beyond the bound, examples. */
type EpochReply = readonly [Buffer, Buffer[], Buffer[], Buffer, Buffer[], Buffer[], Buffer[]]

function readSnapshot(port: Port, reply: unknown, asked: number | undefined): Snapshot {
  const [state, gauges, counted, records, parts, logs, minutes, ready] = reply as [
    ...[unknown, Buffer[], number[], Buffer[], EpochReply[]],
    ...[Buffer[], (Buffer | Buffer[])[], Buffer[]],
  ]
  const control = readControl(state)
  // the time before the first one was opened is not stored
  const epochs: EpochRecord[] = asked === undefined || asked === 0 ? [readEpoch(0, Buffer.alloc(0))] : []
  for (let at = 0; at + 1 < records.length; at += 2) {
    const epoch = Number(records[at])
    if (asked === undefined || asked === epoch) epochs.push(readEpoch(epoch, records[at + 1] as Buffer))
  }
  const byEpoch = [...parts].sort((a, b) => Number(a[0]) - Number(b[0]))
  const sums = byEpoch.map(([epoch, , , packed]) => ({ epoch: Number(epoch), packed }))
  return {
    now: control.now,
    control,
    settings: port.settings,
    epochs: epochs.sort((a, b) => a.epoch - b.epoch),
    buckets: byEpoch.flatMap(readBuckets),
    ...readTimes({ sums, logs, now: control.now, epochs }),
    recent: readRecent(minutes, asked),
    differences: byEpoch.flatMap(readDifferences),
    gauges: {
      ...readGauges(fields(gauges), counted),
      oldestReadyAt: ready[0] === undefined ? null : Number(ready[0]) * 1000,
    },
  }
}

function readBuckets([epochText, closed, open]: EpochReply): TallyBucket[] {
  const epoch = Number(epochText)
  const found = new Map<string, TallyBucket>()
  for (const flat of [closed, open]) {
    for (let at = 0; at + 1 < flat.length; at += 2) {
      const field = (flat[at] as Buffer).toString('latin1')
      const stored = JSON.parse((flat[at + 1] as Buffer).toString('utf8')) as Record<string, number>
      const colon = field.indexOf(':')
      const [start, widthMs] = [Number(field.slice(0, colon)), Number(field.slice(colon + 1))]
      // late counts of a closed bucket lie apart until they are packed with it
      const counts: Record<CountKey, number> = found.get(field)?.counts ?? {}
      for (const key in stored) addStored(counts, key, stored[key] ?? 0)
      found.set(field, { epoch, start, widthMs, counts })
    }
  }
  return [...found.values()].sort((a, b) => a.start - b.start || a.widthMs - b.widthMs)
}

function readRecent(minutes: readonly (Buffer | Buffer[])[], asked: number | undefined): RecentCounts[] {
  const found: RecentCounts[] = []
  for (let at = 0; at + 1 < minutes.length; at += 2) {
    const start = Number(minutes[at])
    const byEpoch = new Map<number, Record<string, number>>()
    for (const [field, n] of fields(minutes[at + 1])) {
      const colon = field.indexOf(':')
      const epoch = Number(field.slice(0, colon))
      if (asked !== undefined && asked !== epoch) continue
      const counts = byEpoch.get(epoch) ?? {}
      byEpoch.set(epoch, counts)
      counts[field.slice(colon + 1)] = Number(n)
    }
    for (const [epoch, counts] of byEpoch) found.push({ epoch, start, counts })
  }
  return found
}

function readDifferences([epochText, , , , named, rest, stored]: EpochReply): DifferenceGroup[] {
  const examples = fields(stored)
  return [...fields(named), ...fields(rest)].map(([key, pairs]) => {
    const [which, kind, ...path] = key.split('|')
    return {
      epoch: Number(epochText),
      which: which as DifferenceGroup['which'],
      path: path.join('|'),
      kind: kind as DifferenceKind,
      pairs: Number(pairs),
      example: JSON.parse(examples.get(key) ?? '{}') as DifferenceGroup['example'],
    }
  })
}

function readGauges(stored: ReadonlyMap<string, string>, counted: readonly number[]): Omit<Gauges, 'oldestReadyAt'> {
  const of = (name: string): number => Number(stored.get(name) ?? 0)
  const sides = (name: string) => ({ legacy: of(`${name}.legacy`), target: of(`${name}.target`) })
  const [legacy = 0, target = 0, overdue = 0] = counted
  const moving = sides('moving')
  return {
    waiting: sides('waiting'),
    running: sides('running'),
    moving: moving.legacy + moving.target,
    inDoubt: { legacy, target },
    lost: sides('lost'),
    overdue,
    pairsOpen: of('pairs'),
    controlsOpen: of('controls'),
  }
}
