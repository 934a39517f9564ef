// What does each gate of a driven stage say, in numbers that a person can hold against its limit?
//
// The evidence is the gate's own. Intervals are at the levels of the verdict: above the limit's share the true one is not
// (upper end), or not below it (lower end), right at every moment at once.

import { finite } from '../rollout/drive/trend.ts'
import { type LatencyRatio, type LatencyTimes, latencyRatio } from '../rollout/gates/latency-bounds.ts'
import { PLAIN_LIMITS } from '../rollout/gates/plain.ts'
import { readCounts } from '../rollout/gates/readings.ts'
import type { GateResult, StageCounts } from '../rollout/gates/stage.ts'
import type { GateInput, LatencyInput, WindowedInput } from '../rollout/gates/types.ts'
import { unitsNeeded } from '../rollout/gates/units.ts'
import type { RatioGate, Stage } from '../rollout/plan/types.ts'
import { type CutoverError, isCutoverError } from '../vocabulary/errors.ts'
import { formatCount, formatMs, formatShare } from './format.ts'
import { gateInterval } from './gate-interval.ts'
import type { GateReport } from './rollout-model.ts'

export interface GateContext {
  readonly stage: Stage
  readonly counts: StageCounts
  /** What a latency gate has counted. */
  readonly times: (tau: number, gate: RatioGate) => LatencyTimes
}

type Numbers = Pick<GateReport, 'limit' | 'estimate' | 'interval' | 'units' | 'unitsNeeded' | 'text'>

const NOTHING: Numbers = {
  limit: null,
  estimate: null,
  interval: null,
  units: null,
  unitsNeeded: null,
  text: 'no counts yet',
}

export function gateReport(result: GateResult, context: GateContext): GateReport {
  const { name, server, verdict, reason, logEPass, logEFail, passAt, input } = result
  // a gate with a level of its own
  const failAt = input?.gate === 'sampleRatio' ? -Math.log(input.limit ?? PLAIN_LIMITS.sampleRatio) : result.failAt
  const own = planned(name, context.stage)
  const numbers = input === null ? NOTHING : numbersOf(result, input, context)
  const { unitsNeeded: needed, text, ...seen } = numbers
  return {
    ...{ name, server: server ?? null, ...own, verdict, reason, ...seen },
    ...{ evidenceFor: logOf(logEPass), evidenceAgainst: logOf(logEFail), passAt, failAt },
    ...{ unitsNeeded: needed, msNeeded: msNeeded(result, needed, context) },
    text: result.message ?? text,
  }
}

function logOf(log: number | null): number | null {
  return log === null ? null : finite(log)
}

function planned(name: GateResult['name'], { gates }: Stage): Pick<GateReport, 'rule' | 'unit'> {
  const gate = name in gates ? gates[name as 'errors'] : undefined
  return gate === undefined ? { rule: 'plain', unit: null } : { rule: gate.rule, unit: gate.unit }
}

function numbersOf(result: GateResult, input: GateInput, context: GateContext): Numbers {
  switch (input.gate) {
    case 'latencyPaired':
    case 'latencyUnpaired':
      return latency(result, input, context)
    case 'sampleRatio': {
      const { n, target, share } = input.counts
      const seen = n === 0 ? null : target / n
      return {
        ...NOTHING,
        limit: share,
        estimate: seen,
        units: n,
        text: `${formatShare(seen)} of ${formatCount(n)} keys on target, ${formatShare(share)} wanted`,
      }
    }
    case 'mcpTools':
      return {
        ...NOTHING,
        limit: input.limit ?? 0,
        estimate: input.counts.missing.length,
        text: missingText(input.counts.missing),
      }
    case 'mcpReachable': {
      const last = (probes: readonly boolean[]): string =>
        probes
          .slice(-3)
          .map((good) => (good ? 'ok' : 'no'))
          .join(' ') || 'never'
      return {
        ...NOTHING,
        text: `last probes: target ${last(input.counts.target)}, legacy ${last(input.counts.legacy)}`,
      }
    }
    case 'duplicates':
      return {
        ...NOTHING,
        limit: input.limit ?? 0,
        estimate: input.counts.twice,
        text: `${formatCount(input.counts.twice)} done twice`,
      }
    case 'oldestAge': {
      const { ageMs } = input.counts
      const limit = input.limit ?? null
      return {
        ...NOTHING,
        limit,
        estimate: ageMs ?? 0,
        text: ageMs === null ? 'nothing waits' : `the oldest waits for ${formatMs(ageMs)} of ${formatMs(limit)}`,
      }
    }
    case 'queueWait': {
      const { n, over } = input.counts
      const seen = n === 0 ? null : over / n
      return {
        ...NOTHING,
        limit: 0.05,
        estimate: seen,
        units: n,
        text: `${formatShare(seen)} of ${formatCount(n)} waited too long`,
      }
    }
    case 'shed': {
      const { wanted, shed } = input.counts
      const seen = wanted === 0 ? null : shed / wanted
      return {
        ...NOTHING,
        limit: input.limit ?? 0.05,
        estimate: seen,
        units: wanted,
        text: `${formatCount(shed)} of ${formatCount(wanted)} shed`,
      }
    }
    case 'tripwire': {
      const { targetSettled, targetFailed } = input.counts
      const seen = targetSettled === 0 ? null : targetFailed / targetSettled
      return {
        ...NOTHING,
        limit: input.limit ?? 0.2,
        estimate: seen,
        units: targetSettled,
        text: `${formatCount(targetFailed)} of ${formatCount(targetSettled)} failed in the last minutes`,
      }
    }
    case 'soak':
      return {
        ...NOTHING,
        limit: input.limit,
        estimate: input.counts.ms,
        text: `${formatMs(Math.max(0, input.counts.ms))} of ${formatMs(input.limit)}`,
      }
    default:
      return windowed(result, input)
  }
}

function missingText(missing: readonly string[]): string {
  return missing.length === 0 ? 'none missing' : `missing: ${missing.join(', ')}`
}

/** What more is needed may not be told of counts that contradict themselves. */
function windowed({ reason, passAt, failAt, verdict }: GateResult, input: WindowedInput): Numbers {
  if (reason === 'contradiction') return { ...NOTHING, limit: input.limit }
  const { n, units, worst } = readCounts(input)
  const { rule, minUnits = 20 } = input
  const shortOf = Math.max(0, minUnits - units)
  const proof = rule === 'watch' || verdict !== 'hold' ? 0 : unitsNeeded(input).asSoFar
  const needed = verdict === 'hold' && proof !== null ? Math.max(shortOf, proof) : verdict === 'hold' ? null : 0
  const estimate = n === 0 ? null : worst
  return {
    ...{ limit: input.limit, estimate, interval: gateInterval(input, { passAt, failAt }), units, unitsNeeded: needed },
    text: windowedText(input, n, estimate),
  }
}

/** In few words, for a column. What never came counts against target: the estimate is the worst that there may be. */
function windowedText(input: WindowedInput, n: number, estimate: number | null): string {
  const [seen, limit] = [formatShare(estimate), `limit ${formatShare(input.limit)}`]
  const missing = (gone: number | undefined): string =>
    gone === undefined || gone === 0 ? '' : `, ${formatCount(gone)} never came`
  switch (input.gate) {
    case 'mismatch':
      return `${seen} of ${formatCount(n)} differ, ${limit}${missing(input.counts.orphaned)}`
    case 'excessMismatch':
      return `${seen} over legacy's own, ${limit}${missing(input.counts.orphaned)}`
    case 'errorsPaired':
    case 'errorsCanary':
      return estimate !== null && estimate < 0
        ? `${formatShare(-estimate)} fewer fail on target, ${limit}`
        : `${seen} more fail on target, ${limit}`
    case 'errorsAlone':
      return `${seen} of ${formatCount(n)} failed, ${limit}${missing(input.counts.lost)}`
    case 'lost':
      return `${seen} of ${formatCount(n)} lost, ${limit}`
  }
}

function latency(
  { verdict, reason, logEPass, passAt, failAt }: GateResult,
  input: LatencyInput,
  context: GateContext,
): Numbers {
  const units = input.gate === 'latencyPaired' ? input.counts.n : input.counts.nTarget
  const { limit = null, rule, minUnits = 20 } = input
  const short = Math.max(0, minUnits - units)
  // evidence grows in proportion, once it grows at all
  const grows = logEPass !== null && logEPass > 0 && Number.isFinite(logEPass)
  const proof =
    rule === 'watch' || reason !== 'undecided' ? 0 : grows ? Math.ceil(units * (passAt / logEPass - 1)) : null
  const unitsNeeded = verdict !== 'hold' ? 0 : proof === null ? null : Math.max(short, proof)
  const told = { ...NOTHING, limit, units, unitsNeeded }
  const found = reason === 'contradiction' ? {} : ratioOf(context, input, { passAt, failAt })
  if (isCutoverError(found)) return { ...told, text: found.message }
  const { estimate = null, interval = null } = found
  const times = estimate === null ? '–' : `${estimate.toFixed(2)} ×`
  return {
    ...{ ...told, estimate, interval },
    text: `${times} legacy's over ${formatCount(units)}, limit ${limit ?? '–'} ×`,
  }
}

/** An error where counts contradict themselves in what the verdict has no need of. */
function ratioOf(
  { stage, times }: GateContext,
  { counts: { tau } }: LatencyInput,
  levels: { readonly passAt: number; readonly failAt: number },
): LatencyRatio | CutoverError {
  const gate = tau === 0.5 ? stage.gates.p50 : stage.gates.p95
  if (gate === undefined) return {}
  try {
    return latencyRatio(times(tau, gate), levels)
  } catch (error) {
    if (!isCutoverError(error, 'contradiction')) throw error
    return error
  }
}

/** At the rate of this epoch so far. */
function msNeeded({ name, input }: GateResult, units: number | null, { counts }: GateContext): number | null {
  if (name === 'soak' && input?.gate === 'soak') return Math.max(0, input.limit - input.counts.ms)
  if (units === null || input === null) return null
  if (units === 0) return 0
  const seen = seenUnits(input)
  if (seen === 0 || counts.soakedMs <= 0) return null
  return Math.round((units * counts.soakedMs) / seen)
}

function seenUnits(input: GateInput): number {
  if (input.gate === 'latencyPaired') return input.counts.n
  if (input.gate === 'latencyUnpaired' || input.gate === 'errorsCanary') {
    return 'nTarget' in input.counts ? input.counts.nTarget : input.counts.nTargetUnits
  }
  return 'n' in input.counts ? input.counts.n : 0
}
