// Compares what the ledger holds of one job, whichever run ended second, and stores the verdict.

import type { CompareOptions } from '../comparison/options.ts'
import { compareOutcomes } from '../comparison/pair.ts'
import type { CompareRequest, MigrationLedger, PairState } from '../ports/ledger.ts'
import { sideOf } from '../vocabulary/job.ts'
import { latencyBucket } from '../vocabulary/latency.ts'
import type { Outcome } from '../vocabulary/outcome.ts'

/** What can be compared now: primary with shadow, and the run on legacy with the control; a pair never waits for a control. */
export function comparisonsOf(id: string, pair: PairState, options: CompareOptions<unknown>): CompareRequest[] {
  const { primary, shadow, control } = pair.slots
  const onLegacy = sideOf(pair.route) === 'legacy' ? primary : shadow
  const onTarget = sideOf(pair.route) === 'legacy' ? shadow : primary
  const requests: CompareRequest[] = []
  if (pair.verdict === 'open' && onLegacy !== undefined && onTarget !== undefined) {
    requests.push({
      id,
      which: 'pair',
      comparison: compareOutcomes({ legacy: onLegacy, target: onTarget, options }),
      ...timesOf(onLegacy, onTarget),
    })
  }
  if (pair.controlVerdict === 'open' && onLegacy !== undefined && control !== undefined) {
    requests.push({
      id,
      which: 'control',
      comparison: compareOutcomes({ legacy: onLegacy, target: control, options }),
    })
  }
  return requests
}

/** Only where both ran: what a backend gave up, or what was started too often, has no version and took no time. */
function timesOf(legacy: Outcome, target: Outcome): Pick<CompareRequest, 'times'> {
  if (legacy.version === '' || target.version === '') return {}
  return { times: { legacy: latencyBucket(legacy.runMs), target: latencyBucket(target.runMs) } }
}

export interface PairComparerOptions {
  readonly ledger: () => Promise<MigrationLedger>
  readonly options: CompareOptions<unknown>
  readonly onMismatch: (id: string, differences: number) => void
  readonly onError: (cause: unknown) => void
}

/** Compares and stores; what cannot be stored now is left to the sweeper. Never throws. */
export async function comparePair(id: string, pair: PairState, o: PairComparerOptions): Promise<void> {
  try {
    const requests = comparisonsOf(id, pair, o.options)
    if (requests.length === 0) return
    const stored = await (await o.ledger()).compare(requests)
    requests.forEach(({ which, comparison }, index) => {
      if (stored[index] === true && which === 'pair' && comparison.class === 'mismatched') {
        o.onMismatch(id, comparison.differenceCount)
      }
    })
  } catch (cause) {
    o.onError(cause)
  }
}
