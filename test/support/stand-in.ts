// Somebody who lives on a side and works on nothing: moves and operations want a live worker where jobs go.

import type { MigrationLedger } from '../../src/ports/ledger.ts'
import type { Side } from '../../src/vocabulary/job.ts'

/** Beats now and every second, as a worker does, until it is stopped. */
export async function standIn(ledger: MigrationLedger, ...sides: readonly Side[]): Promise<() => void> {
  const works = Object.fromEntries(sides.map((side) => [side, '1']))
  const beat = (): Promise<unknown> =>
    ledger.beat({
      ...{ instance: `stand-in-${sides.join('-')}`, pid: 1, host: 'here', startedAt: 1, works, shadows: [] },
      ...{ produces: false, flagRevision: '', flagHealth: 'ok', latchRevision: 0, inFlight: 0, confirmedBefore: 0 },
      skewMs: 0,
    })
  await beat()
  const timer = setInterval(() => void beat().catch(() => {}), 1000)
  return () => clearInterval(timer)
}
