// What does one gate say of these counts? Pure: the same input gives the same answer, so any verdict can be replayed.

import { paired as pairedEvidence, rate as rateEvidence, weighted as weightedEvidence } from '../evidence.ts'
import { judgeLatency } from './latency.ts'
import { judgePlain } from './plain.ts'
import { refuseOption } from './thresholds.ts'
import { GATE_NAMES, type GateInput, type Judgement } from './types.ts'
import { judgeWindowed } from './windowed.ts'

/**
 * Judges one gate. Throws a CutoverError: `option-invalid` for a gate or an option that does not exist, `contradiction`
 * for counts that cannot be.
 */
export function judge(input: GateInput): Judgement {
  switch (input.gate) {
    case 'mismatch':
    case 'excessMismatch':
    case 'errorsPaired':
    case 'errorsCanary':
    case 'errorsAlone':
    case 'lost':
      return judgeWindowed(input)
    case 'latencyPaired':
    case 'latencyUnpaired':
      return judgeLatency(input)
    default:
      if (!GATE_NAMES.includes(input.gate)) {
        refuseOption('gate', (input as { readonly gate: unknown }).gate, GATE_NAMES.join(', '))
      }
      return judgePlain(input)
  }
}

/** Evidence as natural logarithms: against "as bad as the limit or worse", and against "within the limit". */
export interface BothEvidence {
  readonly logEPass: number
  readonly logEFail: number
}

/** The evidence behind the gates, usable alone. */
export const evidence: {
  /** A share: `k` of `n` units. */
  readonly rate: (n: number, k: number, limit: number) => BothEvidence
  /** A difference on the same jobs. */
  readonly paired: (n: number, targetOnly: number, legacyOnly: number, margin: number) => BothEvidence
  /** A difference under a random split with a known target share: `pT − rho · pL`. */
  readonly weighted: (
    n: number,
    kLegacy: number,
    kTarget: number,
    share: number,
    margin: number,
    rho?: number,
  ) => BothEvidence
} = Object.freeze({
  rate: (n: number, k: number, limit: number): BothEvidence => ({
    logEPass: rateEvidence.pass(n, k, limit),
    logEFail: rateEvidence.fail(n, k, limit),
  }),
  paired: (n: number, targetOnly: number, legacyOnly: number, margin: number): BothEvidence => ({
    logEPass: pairedEvidence.pass(n, targetOnly, legacyOnly, margin),
    logEFail: pairedEvidence.fail(n, targetOnly, legacyOnly, margin),
  }),
  weighted: (
    n: number,
    kLegacy: number,
    kTarget: number,
    share: number,
    margin: number,
    rho?: number,
  ): BothEvidence => ({
    logEPass: weightedEvidence.pass(n, kLegacy, kTarget, share, margin, rho),
    logEFail: weightedEvidence.fail(n, kLegacy, kTarget, share, margin, rho),
  }),
})
