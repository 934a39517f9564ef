// Times: logs of tally buckets as scripts appended them, and one packed sum an epoch of those that are closed.
//
// Sums are made here, not in a script: they are thousands of numbers. Two that compact at once do not both add a log,
// because the sums have a version.

import { LatencySums, ratiosOf, type Times, timesOf } from '../../../src/ports/latency-log.ts'
import type { EpochRecord } from '../../../src/ports/ledger.ts'
import { readEpoch } from './control-ledger.ts'
import type { Port } from './port.ts'
import { SCRIPTS } from './scripts.ts'

export interface StoredTimes {
  readonly sums: readonly { readonly epoch: number; readonly packed: Uint8Array }[]
  /** Name (`epoch:…`), when its bucket closes and bytes in turn. */
  readonly logs: readonly Buffer[]
  readonly now: number
  readonly epochs: readonly EpochRecord[]
}

/** Closed ones with their sums, and open ones apart. */
export function readTimes({ sums, logs, now, epochs }: StoredTimes): Times {
  const closed = new Map(sums.map(({ epoch, packed }) => [epoch, new LatencySums(packed)]))
  const open = new Map<number, LatencySums>()
  for (let at = 0; at + 2 < logs.length; at += 3) {
    const epoch = epochOf(String(logs[at]))
    const into = Number(logs[at + 1]) <= now ? closed : open
    const of = into.get(epoch) ?? new LatencySums()
    into.set(epoch, of.add(logs[at + 2] as Buffer, ratiosOf(epochs, epoch)))
  }
  return timesOf(closed, open)
}

/** Logs of one step: at ten million jobs a day a log has some 20 kB. */
const STEP = 100

/** Adds the logs of closed buckets to the sums of their epochs. */
export async function foldTimes(port: Port): Promise<void> {
  for (let more = true; more; ) {
    const reply = await port.run(SCRIPTS.times, [String(STEP)])
    const [records, logs, sums] = reply as [Buffer[], Buffer[], Buffer[]]
    const epochs: EpochRecord[] = []
    for (let at = 0; at + 1 < records.length; at += 2) {
      epochs.push(readEpoch(Number(records[at]), records[at + 1] as Buffer))
    }
    let folded = true
    for (let at = 0; at + 2 < sums.length; at += 3) {
      const [epoch, version, packed] = [Number(sums[at]), String(sums[at + 1]), sums[at + 2] as Buffer]
      const total = new LatencySums(packed)
      const taken: string[] = []
      for (let i = 0; i + 1 < logs.length; i += 2) {
        const [name, log] = [String(logs[i]), logs[i + 1] as Buffer]
        if (epochOf(name) !== epoch) continue
        total.add(log, ratiosOf(epochs, epoch))
        taken.push(name, String(log.length))
      }
      const args = [String(epoch), version, Buffer.from(total.pack()), ...taken]
      if ((await port.run(SCRIPTS.fold, args)) !== 1) folded = false
    }
    // whoever was faster goes on with it
    more = folded && logs.length === 2 * STEP
  }
}

function epochOf(name: string): number {
  return Number(name.slice(0, name.indexOf(':')))
}
