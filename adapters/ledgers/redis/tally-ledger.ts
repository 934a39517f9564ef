// Counters of a migration in Redis as one consistent snapshot, and their compaction.

import { randomUUID } from 'node:crypto'
import type {
  CountKey,
  DifferenceGroup,
  EpochRecord,
  Gauges,
  Histogram,
  Snapshot,
  TallyBucket,
  TallyLedger,
} from '../../../src/ports/ledger.ts'
import type { DifferenceKind } from '../../../src/vocabulary/comparison.ts'
import { LATENCY_WORDS, wordOf } from './codes.ts'
import { readControl, readEpoch } from './control-ledger.ts'
import { fields, type Port } from './port.ts'
import { SCRIPTS } from './scripts.ts'

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

/** Per epoch: its number, closed and open buckets, latencies and their log, differences, those beyond the bound, examples. */
type EpochReply = readonly [Buffer, Buffer[], Buffer[], Buffer[], Buffer, Buffer[], Buffer[], Buffer[]]

function readSnapshot(port: Port, reply: unknown, asked: number | undefined): Snapshot {
  const [state, gauges, counted, records, parts] = reply as [unknown, Buffer[], number[], Buffer[], EpochReply[]]
  const control = readControl(state)
  // the time before the first one was opened is not stored
  const epochs: EpochRecord[] = asked === undefined || asked === 0 ? [readEpoch(0, Buffer.alloc(0))] : []
  for (let at = 0; at + 1 < records.length; at += 2) {
    const epoch = Number(records[at])
    if (asked === undefined || asked === epoch) epochs.push(readEpoch(epoch, records[at + 1] as Buffer))
  }
  const byEpoch = [...parts].sort((a, b) => Number(a[0]) - Number(b[0]))
  return {
    now: control.now,
    control,
    settings: port.settings,
    epochs: epochs.sort((a, b) => a.epoch - b.epoch),
    buckets: byEpoch.flatMap(readBuckets),
    histograms: byEpoch.flatMap(readHistograms),
    differences: byEpoch.flatMap(readDifferences),
    gauges: readGauges(fields(gauges), counted),
  }
}

function readBuckets([epochText, closed, open]: EpochReply): TallyBucket[] {
  const epoch = Number(epochText)
  const found = new Map<string, TallyBucket>()
  for (const flat of [closed, open]) {
    for (let at = 0; at + 1 < flat.length; at += 2) {
      const field = (flat[at] as Buffer).toString('latin1')
      const counts = JSON.parse((flat[at + 1] as Buffer).toString('utf8')) as Record<CountKey, number>
      const colon = field.indexOf(':')
      const [start, widthMs] = [Number(field.slice(0, colon)), Number(field.slice(colon + 1))]
      const other = found.get(field)
      // late counts of a closed bucket lie apart until they are packed with it
      found.set(field, { epoch, start, widthMs, counts: other === undefined ? counts : sum(other.counts, counts) })
    }
  }
  return [...found.values()].sort((a, b) => a.start - b.start || a.widthMs - b.widthMs)
}

function sum(a: TallyBucket['counts'], b: TallyBucket['counts']): TallyBucket['counts'] {
  const both: Record<string, number> = { ...a }
  for (const [key, n] of Object.entries(b)) both[key] = (both[key] ?? 0) + n
  return both
}

function readHistograms([epochText, , , latencies, log]: EpochReply): Histogram[] {
  const byName = new Map<string, Map<number, number>>()
  const add = (name: string, bucket: number, n: number): void => {
    const counts = byName.get(name) ?? new Map<number, number>()
    byName.set(name, counts.set(bucket, (counts.get(bucket) ?? 0) + n))
  }
  for (const [field, n] of fields(latencies)) {
    const slash = field.lastIndexOf('/')
    add(field.slice(0, slash), Number(field.slice(slash + 1)), Number(n))
  }
  for (let at = 0; at < log.length; at += 4) add(wordOf(LATENCY_WORDS, log.readUInt8(at)), log.readIntBE(at + 1, 3), 1)
  return [...byName].map(([name, counts]) => ({ epoch: Number(epochText), name, counts }))
}

function readDifferences([epochText, , , , , named, rest, stored]: EpochReply): DifferenceGroup[] {
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

function readGauges(stored: ReadonlyMap<string, string>, counted: readonly number[]): Gauges {
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
