// A process that declares the schedule `each-second` and fires it, until it kills itself at a named point: node ticker.ts
// JSON (see `Ticker`). It says `owner` as soon as it holds the lease.

import { openCutover } from '../../src/cutover.ts'
import type { LedgerSpec, MigrationLedger } from '../../src/ports/ledger.ts'
import type { QueueSpec } from '../../src/ports/queue.ts'
import { testFlags } from '../../src/testing/index.ts'
import type { Side } from '../../src/vocabulary/job.ts'
import { altered } from './altered.ts'
import { configOf, type Place, partsAt } from './app.ts'

export interface Ticker {
  readonly place: Place
  /** After these calls, from the third on; the first ticks are fired in peace. */
  readonly point: 'never' | 'acquireLease' | 'pin' | 'enqueue' | 'tickFired'
  /** Its own clock is this far off, ms. */
  readonly skewMs: number
}

const ticker = JSON.parse(process.argv[2] ?? '{}') as Ticker

if (ticker.skewMs !== 0) {
  const now = Date.now
  Date.now = () => now() + ticker.skewMs
}

let calls = 0
function doomed<T extends object>(what: T): T {
  return altered(what, (name, call) => {
    if (typeof call !== 'function' || (name !== ticker.point && name !== 'acquireLease')) return call
    return async (...args: unknown[]) => {
      const answer: unknown = await call(...args)
      if (name === 'acquireLease' && args[0] !== 'schedules') return answer
      if (name === 'acquireLease' && (answer as { held: boolean }).held) process.stdout.write('owner\n')
      if (name === ticker.point && ++calls === (name === 'acquireLease' ? 1 : 3)) {
        process.kill(process.pid, 'SIGKILL')
        for (;;); // the signal is on its way
      }
      return answer
    }
  })
}

const parts = partsAt(ticker.place)
const ledger: LedgerSpec = {
  ...parts.ledger,
  create: (context) =>
    altered(parts.ledger.create(context), (name, value) =>
      name === 'migration'
        ? (...args: [never, never]) => doomed((value as (...all: unknown[]) => MigrationLedger)(...args))
        : value,
    ),
}
const queue = (side: Side): QueueSpec => {
  const spec = parts.queue(side)
  return { ...spec, create: () => doomed(spec.create()) }
}
const bed = { ledger, queue, stop: async () => {} }
const cutover = await openCutover(configOf(bed, testFlags({ target: 0.5, shadow: 0 })), { sweepEvery: '1h' })
await cutover.schedule('mail', '* * * * * *', { n: 1 } as never, { as: 'each-second' })
process.once('SIGTERM', () => void cutover.close({ timeout: '2s' }).then(() => process.exit(0)))
setInterval(() => {}, 1000)
