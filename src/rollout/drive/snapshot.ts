// What a decision was made from, as the audit log keeps it: everything that `judgeStage` reads, and nothing else. So any
// verdict can be replayed, by this version or by a later one.
//
// Latencies are tables of thousands of small numbers: packed, a decision is a few kB.

import { deflateRawSync, inflateRawSync } from 'node:zlib'
import type { AuditEntry } from '../../ports/ledger.ts'
import { CutoverError } from '../../vocabulary/errors.ts'
import { judgeStage, type StageCounts, type StageJudgement } from '../gates/stage.ts'
import type { Stage } from '../plan/types.ts'

export interface DecisionSnapshot {
  readonly schema: 'cutover-decision/1'
  readonly migration: string
  /** ISO 8601, the ledger's clock. */
  readonly at: string
  readonly stage: Stage
  readonly counts: StageCounts
  /** What was concluded then. */
  readonly verdict: StageJudgement['verdict']
  readonly reasons: readonly string[]
}

export function packSnapshot(snapshot: DecisionSnapshot): string {
  return deflateRawSync(JSON.stringify(snapshot)).toString('base64')
}

/** `snapshot-invalid` where the text is not one. */
export function unpackSnapshot(packed: string): DecisionSnapshot {
  let text: string
  try {
    text = inflateRawSync(Buffer.from(packed, 'base64')).toString('utf8')
  } catch (cause) {
    throw invalid(`it cannot be unpacked: ${(cause as Error).message}`, cause)
  }
  return parseSnapshot(text)
}

export function parseSnapshot(text: string): DecisionSnapshot {
  let read: unknown
  try {
    read = JSON.parse(text)
  } catch (cause) {
    throw invalid(`it is no JSON: ${(cause as Error).message}`, cause)
  }
  const { schema, stage, counts } = (read ?? {}) as Partial<DecisionSnapshot>
  if (schema !== 'cutover-decision/1') {
    throw invalid(`its schema is ${JSON.stringify(schema)}; allowed: "cutover-decision/1"`)
  }
  if (typeof stage?.gates !== 'object' || typeof counts?.levels !== 'object')
    throw invalid('it has no stage or no counts')
  return read as DecisionSnapshot
}

/** Judges it again. `snapshot-invalid` where its counts are not those of a stage. */
export function replay({ stage, counts }: DecisionSnapshot): StageJudgement {
  try {
    return judgeStage(stage, counts)
  } catch (cause) {
    throw invalid(`it cannot be judged: ${(cause as Error).message}`, cause)
  }
}

function invalid(why: string, cause?: unknown): CutoverError {
  return new CutoverError(
    'snapshot-invalid',
    `this is not what a decision was made from: ${why}; cutover history NAME --decision N --save FILE writes one`,
    cause === undefined ? undefined : { cause },
  )
}

/** A decision in the audit log, and what is concluded from it now; undefined: the entry is about something else. */
export function decidedOf({
  data,
}: Pick<AuditEntry, 'data'>):
  | { readonly decision: number; readonly snapshot: DecisionSnapshot; readonly again: StageJudgement }
  | undefined {
  const { decision, snapshot } = (data ?? {}) as { decision?: unknown; snapshot?: unknown }
  if (typeof decision !== 'number' || typeof snapshot !== 'string') return undefined
  const unpacked = unpackSnapshot(snapshot)
  return { decision, snapshot: unpacked, again: replay(unpacked) }
}
