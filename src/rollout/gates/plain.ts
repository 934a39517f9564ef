// Gates without a proof: limits on what was seen, and the test of the random split.
//
// Those that can fail a stage speak of broken promises, not of rates; the others only hold.

import { DIFFERENCE_GRID, rate } from '../evidence.ts'
import { checkCounts, checkParts, checkShare, contradiction } from './counts.ts'
import { minUnitsOf, refuseOption, thresholds } from './thresholds.ts'
import type { Judged, Judgement, PlainInput } from './types.ts'
import { fail, hold, pass } from './windowed.ts'

/** Limits of the gates that are always on. */
export const PLAIN_LIMITS = {
  sampleRatio: 0.001,
  mcpTools: 0,
  mcpReachable: 3,
  duplicates: 0,
  oldestAgeMs: 120_000,
  queueWaitMs: 30_000,
  shed: 0.05,
  tripwire: 0.2,
} as const

/** Of the copies of the last hour, this share may have waited for longer than the limit: it is one on p95. */
const QUEUE_WAIT_OVER = 0.05
const TRIPWIRE = { failed: 20, groups: 3 } as const

type Name = PlainInput['gate']
type InputOf<N extends Name> = Extract<PlainInput, { readonly gate: N }>

const JUDGES: { readonly [N in Exclude<Name, 'sampleRatio'>]: (input: InputOf<N>) => Judged } = {
  mcpTools,
  mcpReachable,
  duplicates,
  oldestAge,
  queueWait,
  shed,
  tripwire,
  soak,
}

export function judgePlain(input: PlainInput): Judgement {
  if (input.gate === 'sampleRatio') return sampleRatio(input)
  const judge = JUDGES[input.gate] as (input: PlainInput) => Judged
  return { ...judge(input), logEPass: null, logEFail: null, ...thresholds(input) }
}

/** Keys by side against the known share; a broken split makes the canary's error gate mean nothing. */
function sampleRatio(input: InputOf<'sampleRatio'>): Judgement {
  const { n, target, share } = input.counts
  const { limit = PLAIN_LIMITS.sampleRatio } = input
  if (!(limit > 0 && limit < 1)) refuseOption('sampleRatio: limit', limit, 'a level, e.g. 0.001')
  checkShare(input.gate, share)
  checkParts(input.gate, n, { target })
  const levels = thresholds(input)
  if (n === 0) return { ...hold('no-data'), logEPass: null, logEFail: null, ...levels }
  const [more, less] = [rate.fail(n, target, share), rate.pass(n, target, share, DIFFERENCE_GRID)]
  const largest = Math.max(more, less)
  const logEFail = largest + Math.log((Math.exp(more - largest) + Math.exp(less - largest)) / 2)
  const judged = logEFail >= -Math.log(limit) ? hold('sample-ratio') : pass('ratio-ok')
  return { ...judged, logEPass: null, logEFail, ...levels }
}

function mcpTools({ counts, limit = PLAIN_LIMITS.mcpTools }: InputOf<'mcpTools'>): Judged {
  if (!counts.probed) return hold('no-probe')
  if (counts.missing.length <= limit) return pass(counts.missing.length === 0 ? 'tools-equal' : 'within-limit')
  return counts.confirmed ? fail('tools-missing') : hold('tools-missing-unconfirmed')
}

function mcpReachable({ counts, limit = PLAIN_LIMITS.mcpReachable }: InputOf<'mcpReachable'>): Judged {
  if (!Number.isSafeInteger(limit) || limit < 1) refuseOption('mcpReachable: limit', limit, 'a whole number from 1')
  const { target, legacy } = counts
  if (target.length === 0) return hold('no-probe')
  if (target.at(-1) === true) return pass('reachable')
  const down = target.length >= limit && !target.slice(-limit).includes(true)
  if (!down) return hold('last-probe-failed')
  // without a probe from legacy nobody can tell a broken target from a broken server
  if (legacy.length === 0) return hold('no-probe')
  return legacy.slice(-limit).includes(true) ? fail('server-unreachable') : hold('server-down-everywhere')
}

function duplicates({ counts: { twice }, limit = PLAIN_LIMITS.duplicates }: InputOf<'duplicates'>): Judged {
  checkCounts('duplicates', { twice })
  if (twice === 0) return pass('none')
  return twice <= limit ? pass('within-limit') : fail('double-run')
}

/** Age, not length: it needs no model of the traffic. */
function oldestAge({ counts: { ageMs }, limit = PLAIN_LIMITS.oldestAgeMs }: InputOf<'oldestAge'>): Judged {
  if (ageMs === null) return pass('within-limit')
  if (!Number.isFinite(ageMs)) contradiction('oldestAge', `the age is ${String(ageMs)}`)
  if (ageMs <= limit) return pass('within-limit')
  return ageMs > 2 * limit ? fail('backlog-too-old') : hold('backlog-old')
}

function queueWait(input: InputOf<'queueWait'>): Judged {
  const { n, over } = input.counts
  checkParts('queueWait', n, { over })
  if (n === 0) return hold('no-data')
  // with little traffic an hour never has more: a few jobs of which none waited too long are no reason to hold
  if (n < minUnitsOf(input)) return over === 0 ? pass('within-limit') : hold('too-few-units')
  return over <= QUEUE_WAIT_OVER * n ? pass('within-limit') : hold('wait-over-limit')
}

/** Load decided which shadows were shed, and rules which pairs were ignored: with too many the rest is no fair sample. */
function shed({ counts, limit = PLAIN_LIMITS.shed }: InputOf<'shed'>): Judged {
  const { wanted, shed, compared = 0, ignored = 0 } = counts
  checkParts('shed', wanted, { shed })
  checkParts('shed', compared, { ignored })
  if (wanted === 0) return hold('no-data')
  return shed <= limit * wanted && ignored <= limit * compared ? pass('within-limit') : hold('shed-too-many')
}

/** Reads what was settled just now, before any deadline has passed. Where nothing ran on legacy, target stands alone. */
function tripwire({ counts, limit = PLAIN_LIMITS.tripwire }: InputOf<'tripwire'>): Judged {
  const { targetSettled, targetFailed, groups, legacySettled, legacyFailed } = counts
  checkParts('tripwire', targetSettled, { targetFailed })
  checkParts('tripwire', legacySettled, { legacyFailed })
  checkCounts('tripwire', { groups })
  const share = targetSettled === 0 ? 0 : targetFailed / targetSettled
  const onLegacy = legacySettled === 0 ? 0 : legacyFailed / legacySettled
  const widely = targetFailed >= TRIPWIRE.failed && groups >= TRIPWIRE.groups
  return widely && share >= limit && onLegacy < share / 2 ? fail('tripwire') : pass('within-limit')
}

function soak({ counts: { ms }, limit }: InputOf<'soak'>): Judged {
  if (!Number.isFinite(ms)) contradiction('soak', `the time since the epoch began is ${String(ms)}`)
  return ms >= limit ? pass('soaked') : hold('soak')
}
