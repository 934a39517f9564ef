// What is counted, by name: the vocabulary of the tallies.

import type { ErrorSplit } from '../vocabulary/comparison.ts'
import type { Arm, Side } from '../vocabulary/job.ts'
import type { FinishClass } from './ledger.ts'

/** The measures, each `name.side` but for those of pairs and controls; `CountKey` is `family/measure`. */
export const MEASURES = {
  /** Rows inserted; `dispatched − refused − settled` is what is on its way. */
  dispatched: (side: Side): string => `dispatched.${side}`,
  refused: (side: Side): string => `refused.${side}`,
  route: (route: string): string => `route.${route}`,
  adopted: (side: Side): string => `adopted.${side}`,
  unflagged: (side: Side): string => `unflagged.${side}`,
  settled: (cls: FinishClass, side: Side): string => `${cls}.${side}`,
  effectFailed: (side: Side): string => `effect-failed.${side}`,
  retried: (side: Side): string => `retried.${side}`,
  zombie: (side: Side): string => `zombie.${side}`,
  twice: 'finished-twice',
  unrecorded: (side: Side): string => `unrecorded.${side}`,
  /** Once a process that saw the ledger's clock jump, in the epoch in which it did. */
  clockJumped: 'clock-jumped',
  shadowWanted: (side: Side): string => `shadow.wanted.${side}`,
  shadowShed: (side: Side): string => `shadow.shed.${side}`,
  /** Shed because the job itself was refused; a part of what was shed. */
  shadowRefused: (side: Side): string => `shadow.refused.${side}`,
  /** Was not there when its job was cancelled or moved: nobody waits for it any more. */
  shadowWithdrawn: (side: Side): string => `shadow.withdrawn.${side}`,
  shadowEnded: (ok: boolean, side: Side): string => `shadow.${ok ? 'ok' : 'failed'}.${side}`,
  controlWanted: 'control.wanted',
  controlShed: 'control.shed',
  controlEnded: (ok: boolean): string => `control.${ok ? 'ok' : 'failed'}`,
  compared: (which: 'pair' | 'control', cls: string): string => `${which}.${cls}`,
  errors: (split: Exclude<ErrorSplit, 'none'>): string => `pair.errors.${split}`,
  /** `side`: where the run that never came should have run. */
  orphaned: (which: 'pair' | 'control', side: Side): string => `${which}.orphaned.${side}`,
  /** A pair that was closed because its job was cancelled; a part of those orphaned. */
  pairCancelled: 'pair.cancelled',
  /** Primary, shadow and control of a job, all compared: which of the two copies differed from the run on legacy. */
  triple: (pair: boolean, control: boolean): string => `triple.${TRIPLES[Number(pair)]?.[Number(control)]}`,
  /** Will never be complete, and it is nobody's fault: a part was shed, ignored, moved, cancelled or refused. */
  tripleOut: 'triple.out',
  lateOutcome: (arm: Arm): string => `late-outcome.${arm}`,
  /** Filed as what the job was until then; what comes after is `excluded`. */
  movedOut: (side: Side): string => `moved-out.${side}`,
  movedIn: (side: Side): string => `moved-in.${side}`,
  /** A failed job that runs again: its end is taken back, so `settled − reopened` have ended. */
  reopened: (cls: FinishClass, side: Side): string => `reopened.${cls}.${side}`,
  /** A verdict that was closed because the job was moved. */
  verdictMoved: (which: 'pair' | 'control'): string => `${which}.moved`,
  /** Final errors of jobs (`primary`) and of shadows, by class. */
  failedAs: (arm: 'primary' | 'shadow', side: Side, errorClass: string): string => `error.${arm}.${side}.${errorClass}`,
  /** Jobs not finished on a side, added up at each look of the sweeper; divided by the looks it is their mean. */
  backlogSeen: (side: Side): string => `backlog.seen.${side}`,
  /** ms that the job that has waited longest for its first start was due, added up alike. */
  backlogOldest: (side: Side): string => `backlog.oldest.${side}`,
  backlogLooks: 'backlog.looks',
} as const

/** By whether target differs, and whether the control does. */
const TRIPLES = [
  ['neither', 'control-only'],
  ['target-only', 'both'],
] as const

/** What happened within the last minutes, whenever the job was due; see `RecentCounts`. */
export const RECENT = {
  settled: (side: Side): string => `settled.${side}`,
  failed: (side: Side): string => `failed.${side}`,
  failedGroup: (group: number): string => `failed.group.${group}`,
  waited: (wait: number): string => `wait.${wait}`,
} as const
