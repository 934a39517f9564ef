// Which gates has a stage, and what does each of them read? The table of docs/gates.md, section 2, as inputs of `judge`.

import type { RatioGate, ShareGate, Stage } from '../plan/types.ts'
import type { Observed, StageCounts } from './stage.ts'
import type { GateInput, LatencyInput, WindowedInput } from './types.ts'

/** As in the plan. */
export type StageGateName =
  | ('mismatch' | 'errors' | 'lost' | 'p50' | 'p95')
  | ('queue-wait' | 'mcp-tools' | 'mcp-reachable' | 'backlog' | 'shed')
  | ('sample-ratio' | 'duplicates' | 'tripwire' | 'soak')

export interface NamedInput {
  readonly name: StageGateName
  readonly server?: string
  /** Null: the stage has the gate, and there are no counts for it. */
  readonly input: GateInput | null
}

/** All gates of a stage, those of the plan first. */
export function inputsOf(stage: Stage, counts: StageCounts): NamedInput[] {
  return [...statisticalInputs(stage, counts), ...plainInputs(stage, counts), ...mcpInputs(stage, counts)]
}

function statisticalInputs(stage: Stage, counts: StageCounts): NamedInput[] {
  const { mismatch, errors, lost, p50, p95 } = stage.gates
  const inputs: NamedInput[] = []
  if (mismatch !== undefined) inputs.push({ name: 'mismatch', input: mismatchInput(stage, counts) })
  if (errors !== undefined) inputs.push({ name: 'errors', input: errorsInput(stage, errors, counts) })
  if (lost !== undefined) inputs.push({ name: 'lost', input: windowed('lost', lost, { stage, counts }, counts.lost) })
  if (p50 !== undefined) inputs.push({ name: 'p50', input: latencyInput(stage, p50, counts, counts.p50) })
  if (p95 !== undefined) inputs.push({ name: 'p95', input: latencyInput(stage, p95, counts, counts.p95) })
  return inputs
}

interface Where {
  readonly stage: Stage
  readonly counts: StageCounts
}
type CountsOf<G extends WindowedInput['gate']> = Extract<WindowedInput, { readonly gate: G }>['counts']

function windowed<G extends WindowedInput['gate']>(
  gate: G,
  { limit, rule, minUnits }: ShareGate,
  { stage, counts: { levels } }: Where,
  observed: Observed<CountsOf<G>> | undefined,
): WindowedInput | null {
  if (observed === undefined) return null
  const { counts, recent, idleMs, newUnits } = observed
  return {
    gate,
    limit,
    rule,
    minUnits,
    ...levels,
    counts,
    staleAfterMs: stage.staleAfterMs,
    ...(recent === undefined ? {} : { recent }),
    ...(idleMs === undefined ? {} : { idleMs }),
    ...(newUnits === undefined ? {} : { newUnits }),
  } as WindowedInput
}

function mismatchInput(stage: Stage, counts: StageCounts): GateInput | null {
  const gate = stage.gates.mismatch
  if (gate === undefined) return null
  const where = { stage, counts }
  if (gate.against === 'control') return windowed('excessMismatch', gate, where, counts.excessMismatch)
  const input = windowed('mismatch', gate, where, counts.mismatch)
  if (input === null || stage.control === 0) return input
  // where controls are wanted and none has come yet, noise is unknown
  return { ...input, control: counts.mismatch?.control ?? { n: 0 } } as GateInput
}

function errorsInput(stage: Stage, gate: ShareGate, counts: StageCounts): GateInput | null {
  const where = { stage, counts }
  if (stage.target === 0) return windowed('errorsPaired', gate, where, counts.errorsPaired)
  if (stage.target < 1) return windowed('errorsCanary', gate, where, counts.errorsCanary)
  const alone = counts.errorsAlone
  if (alone === undefined) return null
  // above this nothing can be proven or refuted
  const limit = Math.min(alone.legacyRate + gate.limit, 1 - Number.EPSILON)
  return windowed('errorsAlone', { ...gate, limit }, where, alone)
}

function latencyInput(
  { target }: Stage,
  { ratio, rule, minUnits }: RatioGate,
  { levels }: StageCounts,
  observed: StageCounts['p50'],
): LatencyInput | null {
  const shared = { limit: ratio, rule, minUnits, ...levels }
  if (target === 0 || target === 1) {
    return observed?.paired === undefined ? null : { gate: 'latencyPaired', ...shared, counts: observed.paired }
  }
  return observed?.unpaired === undefined ? null : { gate: 'latencyUnpaired', ...shared, counts: observed.unpaired }
}

function plainInputs(stage: Stage, counts: StageCounts): NamedInput[] {
  const { target, shadow, minSoakMs } = stage
  const limits = stage.gates.plain
  const { levels, sampleRatio } = counts
  const given = <C>(seen: C | undefined, input: (seen: C) => GateInput): GateInput | null =>
    seen === undefined ? null : { ...input(seen), ...levels }
  const all: readonly (NamedInput & { readonly here: boolean })[] = [
    {
      name: 'duplicates',
      here: true,
      input: given(counts.duplicates, (c) => ({ gate: 'duplicates', counts: c, limit: limits.duplicates })),
    },
    {
      name: 'tripwire',
      here: target > 0,
      input: given(counts.tripwire, (c) => ({ gate: 'tripwire', counts: c, limit: limits.tripwire })),
    },
    {
      name: 'backlog',
      here: target > 0,
      input: given(counts.backlog, (c) => ({ gate: 'oldestAge', counts: c, limit: limits.backlogMs })),
    },
    { name: 'queue-wait', here: true, input: given(counts.queueWait, (c) => ({ gate: 'queueWait', counts: c })) },
    {
      name: 'shed',
      here: shadow > 0,
      input: given(counts.shed, (c) => ({ gate: 'shed', counts: c, limit: limits.shed })),
    },
    {
      name: 'sample-ratio',
      here: target > 0 && target < 1,
      input: given(sampleRatio, (c) => ({
        gate: 'sampleRatio',
        counts: { ...c, share: target },
        limit: limits.sampleRatio,
      })),
    },
    {
      name: 'soak',
      here: true,
      input: given(counts.soakedMs, (ms) => ({ gate: 'soak', counts: { ms }, limit: minSoakMs })),
    },
  ]
  return all.filter(({ here }) => here).map(({ name, input }) => ({ name, input }))
}

function mcpInputs({ gates: { plain } }: Stage, { mcp = [], levels }: StageCounts): NamedInput[] {
  return mcp.flatMap(({ server, tools, reachable }): NamedInput[] => [
    {
      name: 'mcp-tools',
      server,
      input: tools === undefined ? null : { gate: 'mcpTools', counts: tools, limit: plain.mcpTools, ...levels },
    },
    {
      name: 'mcp-reachable',
      server,
      input:
        reachable === undefined
          ? null
          : { gate: 'mcpReachable', counts: reachable, limit: plain.mcpReachable, ...levels },
    },
  ])
}
