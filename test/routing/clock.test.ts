import { describe, expect, it } from 'vitest'
import type { FlagSource } from '../../src/ports/flags.ts'
import type { ControlState, MigrationLedger } from '../../src/ports/ledger.ts'
import { ControlWatch } from '../../src/routing/control-watch.ts'
import type { CutoverEvent } from '../../src/vocabulary/events.ts'
import { controlState, epochRecord } from '../support/snapshots.ts'

const HOUR = 3_600_000

const flags = {
  read: () => ({ kind: 'dials', target: 0, shadow: 0 }),
  revision: () => 'r1',
  health: () => ({ state: 'ok' }),
  onChange: () => () => {},
} as unknown as FlagSource

/** A ledger whose clock can be set, read by hand; what is noted in it. */
function watchOf(): {
  read: (aheadMs: number, epoch?: Partial<ControlState['epoch']>) => Promise<void>
  noted: string[]
  events: CutoverEvent[]
  stop: () => Promise<void>
  watch: ControlWatch
} {
  let state = controlState()
  const noted: string[] = []
  const events: CutoverEvent[] = []
  const ledger = {
    control: async () => state,
    beat: async () => state,
    leave: async () => {},
    bump: async (measure: string, n: number) => {
      noted.push(`${measure} ${n}`)
    },
  } as unknown as MigrationLedger
  const watch = new ControlWatch({
    ...{ migration: 'm', ledger: async () => ledger, flags, flag: 'm', rules: 'rules', by: 'test' },
    ...{ flagKind: 'string', emit: (event) => events.push(event), inFlight: () => ({ count: 0, oldest: undefined }) },
  })
  const read = async (aheadMs: number, epoch: Partial<ControlState['epoch']> = {}): Promise<void> => {
    state = controlState({ now: performance.timeOrigin + performance.now() + aheadMs, epoch: epochRecord(epoch) })
    await watch.read(false)
  }
  return { read, noted, events, watch, stop: () => watch.stop() }
}

const jumps = (events: readonly CutoverEvent[]): number[] =>
  events.flatMap((event) => (event.type === 'clock-jumped' ? [Math.round(event.byMs / 1000)] : []))

describe("the ledger's clock", () => {
  it.each([5 * 60_000, -5 * 60_000])('that jumps by %d ms is told, and noted in its epoch', async (by) => {
    const { read, noted, events, watch, stop } = watchOf()
    await read(0)
    await read(100)
    expect(jumps(events)).toEqual([])
    await read(by)
    expect(jumps(events)).toEqual([by / 1000])
    await watch.start()
    await expect.poll(() => noted, { timeout: 3000 }).toEqual(['clock-jumped 1'])
    await stop()
    expect(noted).toHaveLength(1)
  })

  it('that jumped before the epoch was opened is told, and not noted in it', async () => {
    const { read, noted, events, watch, stop } = watchOf()
    await read(0)
    await read(HOUR, { epoch: 2, startedAt: performance.timeOrigin + performance.now() + HOUR - 50 })
    expect(jumps(events)).toEqual([3600])
    let reads = 0
    await watch.start()
    await expect.poll(() => reads++, { timeout: 3000 }).toBeGreaterThan(10)
    await stop()
    expect(noted).toEqual([])
  })
})
