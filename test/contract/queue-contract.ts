// Does this adapter do what the queue port says? One suite for every backend; an adapter's test hands it a factory.
//
// A capability that the adapter declares and that fails is a failure; one that it does not declare must be refused with
// `capability-missing`. Every case gets a fresh, empty queue.

import { describe, test } from 'vitest'
import { CAPABILITY_CASES } from './queue-capabilities.ts'
import { BASIC_CASES } from './queue-cases-basic.ts'
import { ENDED_CASES } from './queue-cases-ended.ts'
import { FAULT_CASES } from './queue-cases-faults.ts'
import { MOVING_CASES } from './queue-cases-moving.ts'
import { PARKING_CASES } from './queue-cases-parking.ts'
import { RACE_CASES } from './queue-cases-races.ts'
import type { QueueHarness } from './queue-kit.ts'
import { Bench } from './queue-kit.ts'

export type { BreakableConnection, QueueHarness, UnseenCapability } from './queue-kit.ts'
export { Bench } from './queue-kit.ts'

export interface QueueContract {
  readonly name: string
  /** A fresh, empty queue; called for every case. */
  create(): Promise<QueueHarness>
  /** After this long without a sign of its worker a job is handed out again: lease or lock plus the check's interval. */
  readonly stallWindowMs: number
  /** Only these groups of cases, e.g. for another prefix. */
  readonly only?: readonly Group[]
  /** Does not run, e.g. where its server is missing. */
  readonly skip?: boolean
}

/** One rule of the port. `undefined` from `needs`: it runs; a text: why it does not apply to this adapter. */
export interface Case {
  readonly name: string
  readonly run: (bench: Bench, contract: QueueContract) => Promise<void>
  readonly needs?: (harness: QueueHarness) => string | undefined
  readonly timeoutMs?: (contract: QueueContract) => number
}

type Group = 'capabilities' | 'basics' | 'ended' | 'faults' | 'moving' | 'parking' | 'races'

/** Declares the suite for one adapter. */
export function queueContract(contract: QueueContract): void {
  const cases: Record<Group, readonly Case[]> = {
    capabilities: CAPABILITY_CASES,
    basics: BASIC_CASES,
    ended: ENDED_CASES,
    faults: FAULT_CASES,
    moving: MOVING_CASES,
    parking: PARKING_CASES,
    races: RACE_CASES,
  }
  describe.skipIf(contract.skip === true)(`queue contract: ${contract.name}`, () => {
    for (const [title, list] of Object.entries(cases)) {
      if (contract.only !== undefined && !contract.only.includes(title as Group)) continue
      describe(title, () => {
        for (const one of list) declare(contract, one)
      })
    }
  })
}

function declare(contract: QueueContract, one: Case): void {
  test(one.name, { timeout: one.timeoutMs?.(contract) ?? 30_000 }, async (context) => {
    const harness = await contract.create()
    const bench = new Bench(harness)
    try {
      const why = one.needs?.(harness)
      if (why !== undefined) context.skip(why)
      await one.run(bench, contract)
    } finally {
      await bench.end()
    }
  })
}
