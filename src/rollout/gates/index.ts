// `cutover/gates`: the gates as pure functions, usable alone, without a queue, a flag or a ledger (docs/gates.md).

export {
  type DifferenceArray,
  type EdgeRange,
  PAIR_MEASURES,
  type PairMeasure,
  pairRanges,
  type RatioSteps,
  ratioSteps,
} from '../../ports/pair-times.ts'
export { bounds } from '../evidence.ts'
export type { MismatchGate, PlainLimits, RatioGate, ShareGate, Stage, StageGates, Unit } from '../plan/types.ts'
export { type BothEvidence, evidence, judge } from './judge.ts'
export { type PairedTimes, pairedCounts, type UnpairedTimes, unpairedCounts } from './latency-counts.ts'
export { PLAIN_LIMITS } from './plain.ts'
export {
  type GateResult,
  judgeStage,
  type LatencyObserved,
  type McpCounts,
  type Observed,
  type StageConditions,
  type StageCounts,
  type StageJudgement,
} from './stage.ts'
export type { StageGateName } from './stage-inputs.ts'
export { DEFAULT_ALPHA, DEFAULT_MIN_UNITS, DEFAULT_TESTS, thresholds } from './thresholds.ts'
export * from './types.ts'
export { cleanUnits, type UnitsNeeded, type UnitsQuestion, unitsNeeded } from './units.ts'
