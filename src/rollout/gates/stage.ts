// May a stage go on? It passes when all of its gates pass in the same counts, fails when any fails, holds otherwise.
//
// Missing evidence is not good evidence: a gate of the stage without counts holds as `no-data`. Counts that contradict
// themselves hold, too; they never promote, and a fail of another gate still counts.

import { isCutoverError } from '../../vocabulary/errors.ts'
import type { Stage } from '../plan/types.ts'
import { judge } from './judge.ts'
import { inputsOf, type NamedInput, type StageGateName } from './stage-inputs.ts'
import { thresholds } from './thresholds.ts'
import type {
  AloneErrorCounts,
  CanaryErrorCounts,
  ExcessCounts,
  GateInput,
  GateReason,
  GateVerdict,
  HoldReason,
  Judgement,
  LostCounts,
  MismatchCounts,
  PairedErrorCounts,
  PairedLatencyCounts,
  ShareCounts,
  TripwireCounts,
  UnpairedLatencyCounts,
} from './types.ts'
import { hold } from './windowed.ts'

/** The counts of one gate; all of this epoch, of closed buckets, in the gate's own unit. */
export interface Observed<Counts> {
  readonly counts: Counts
  /** The shortest run of newest closed buckets holding at least max(min-units, a quarter of the units). */
  readonly recent?: Counts
  /** Since the last counted unit. */
  readonly idleMs?: number
  /** Units counted within the last 24 h. */
  readonly newUnits?: number
}

/** What one server's tools were found to be. */
export interface McpCounts {
  readonly server: string
  readonly tools?: { readonly probed: boolean; readonly missing: readonly string[]; readonly confirmed: boolean }
  readonly reachable?: { readonly target: readonly boolean[]; readonly legacy: readonly boolean[] }
}

/**
 * Everything that a stage is judged by; a controller fills it from one ledger snapshot. What does not belong to the
 * stage is not read; what belongs to it and is absent holds.
 */
export interface StageCounts {
  /** `alpha` and `tests` (`testsOf`) of the plan; the attempt of this stage by this target version, from 1. */
  readonly levels: { readonly alpha: number; readonly attempt: number; readonly tests: number }
  /** Pairs. `control`: controls compared, and those that differ; read where the stage has controls. */
  readonly mismatch?: Observed<MismatchCounts> & { readonly control?: ShareCounts }
  /** Triples, for `against: control`. */
  readonly excessMismatch?: Observed<ExcessCounts>
  /** At target 0 %. */
  readonly errorsPaired?: Observed<PairedErrorCounts>
  /** Between 0 and 100 %. `share` is the dial of the epoch. */
  readonly errorsCanary?: Observed<CanaryErrorCounts>
  /** At 100 %. `legacyRate`: share of legacy's primaries that failed, frozen in the stage before. */
  readonly errorsAlone?: Observed<AloneErrorCounts> & { readonly legacyRate: number }
  /** Copies sent to target, and those without an outcome by the deadline. */
  readonly lost?: Observed<LostCounts>
  /** `paired` at target 0 and 100 %, `unpaired` in between: `pairedCounts`, `unpairedCounts`. */
  readonly p50?: LatencyObserved
  readonly p95?: LatencyObserved
  readonly queueWait?: { readonly n: number; readonly over: number }
  /** One entry a configured server. */
  readonly mcp?: readonly McpCounts[]
  readonly backlog?: { readonly ageMs: number | null }
  readonly shed?: {
    readonly wanted: number
    readonly shed: number
    readonly compared?: number
    readonly ignored?: number
  }
  readonly sampleRatio?: { readonly n: number; readonly target: number }
  readonly duplicates?: { readonly twice: number }
  readonly tripwire?: TripwireCounts
  /** Since the epoch began. */
  readonly soakedMs: number
  readonly conditions: StageConditions
}

export interface LatencyObserved {
  readonly paired?: PairedLatencyCounts
  readonly unpaired?: UnpairedLatencyCounts
}

/** What keeps a stage from going on, whatever its gates say; none of it keeps it from going back. */
export interface StageConditions {
  /** The flag cannot be read or written. */
  readonly flagLost?: boolean
  /** A queue that has to be worked on has no live worker. */
  readonly workersMissing?: boolean
  /** Producers on an older flag revision, or workers of target with different handler versions. */
  readonly mixedVersions?: boolean
  /** A human has to say yes before the next stage, and has not. */
  readonly approvalMissing?: boolean
  /** Since the stage was entered, epochs together. */
  readonly stayedMs?: number
  /** Since the counts were read. */
  readonly snapshotAgeMs?: number
  /** What about the counts as a whole cannot be, in words. */
  readonly contradictions?: readonly string[]
}

/** Older counts promote nothing. */
const SNAPSHOT_TTL_MS = 60_000

export type GateResult = Judgement & {
  /** As in the plan. */
  readonly name: StageGateName
  readonly server?: string
  /** What was judged, to replay it; null: there were no counts. */
  readonly input: GateInput | null
  /** What contradicts what. */
  readonly message?: string
}

export interface StageJudgement {
  readonly verdict: GateVerdict
  /** Why: of a pass what was shown, of a hold or a fail only what causes it; each once. */
  readonly reasons: readonly GateReason[]
  readonly gates: readonly GateResult[]
  /** Conditions that hold. */
  readonly holds: readonly HoldReason[]
}

/** Judges every gate of a stage. Pure. */
export function judgeStage(stage: Stage, counts: StageCounts): StageJudgement {
  const gates = inputsOf(stage, counts).map((named) => judgeNamed(named, counts))
  const holds = conditionsOf(stage, counts.conditions)
  const failed = gates.some(({ verdict }) => verdict === 'fail')
  const held = holds.length > 0 || gates.some(({ verdict }) => verdict === 'hold')
  const verdict: GateVerdict = failed ? 'fail' : held ? 'hold' : 'pass'
  const reasons = gates.filter((gate) => gate.verdict === verdict).map(({ reason }) => reason)
  return { verdict, reasons: [...new Set([...reasons, ...(verdict === 'hold' ? holds : [])])], gates, holds }
}

function judgeNamed({ name, server, input }: NamedInput, { levels }: StageCounts): GateResult {
  const named = { name, ...(server === undefined ? {} : { server }), input }
  const without = { logEPass: null, logEFail: null, ...thresholds(levels) }
  if (input === null) return { ...hold('no-data'), ...without, ...named }
  try {
    return { ...judge(input), ...named }
  } catch (error) {
    if (!isCutoverError(error, 'contradiction')) throw error
    return { ...hold('contradiction'), ...without, ...named, message: error.message }
  }
}

function conditionsOf({ maxStayMs }: Stage, conditions: StageConditions): HoldReason[] {
  const { stayedMs = 0, snapshotAgeMs = 0 } = conditions
  const held: readonly (readonly [HoldReason, boolean | undefined])[] = [
    ['flag-lost', conditions.flagLost],
    ['workers-missing', conditions.workersMissing],
    ['mixed-versions', conditions.mixedVersions],
    ['stale', snapshotAgeMs > SNAPSHOT_TTL_MS],
    ['contradiction', (conditions.contradictions ?? []).length > 0],
    ['max-stay', stayedMs > maxStayMs],
    ['approval', conditions.approvalMissing],
  ]
  return held.filter(([, holds]) => holds === true).map(([reason]) => reason)
}
