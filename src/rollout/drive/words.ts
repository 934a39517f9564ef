// Why does a stage not go on, and what can be done? The reasons of gates and controller as sentences for people.

import { formatDuration } from '../../vocabulary/duration.ts'
import type { StageJudgement } from '../gates/stage.ts'
import type { GateReason } from '../gates/types.ts'
import type { DriveReason } from './decide.ts'
import type { DriveFacts, ProducerFacts } from './facts.ts'
import { type DriveRecord, nextStage, stageOf } from './record.ts'

/** Of gates: what it means that one answers so. */
export const REASON_TEXTS: Readonly<Record<GateReason, string>> = {
  proven: 'proven within the limit',
  'no-alarm': 'no alarm (watched, nothing is proven)',
  'within-limit': 'within the limit',
  'tools-equal': 'the same tools on both sides',
  reachable: 'the server answers',
  'ratio-ok': 'keys are split as the dial says',
  none: 'none',
  soaked: 'soaked long enough',
  'over-limit': 'proven over the limit',
  'tools-missing': 'target lacks tools that legacy has, in two probes running',
  'server-unreachable': 'target cannot reach a server that legacy reaches',
  'backlog-too-old': 'the oldest job on target waits far too long',
  'double-run': 'an id finished twice or on both sides',
  tripwire: 'target fails suddenly and widely',
  'no-data': 'nothing is counted yet (a job counts once its deadline is over)',
  undecided: 'more units are needed',
  'too-few-units': 'too few units yet',
  'too-few-keys': 'too few new keys: waiting will not help; take larger limits, key-day or a manual approval',
  'noise-floor':
    'legacy differs from itself more than the limit allows: normalise or ignore fields, raise the limit, or judge against control',
  'noise-unknown': "legacy's own noise is not known yet: more controls are needed",
  'recent-worse': 'the newest units are worse than the limit',
  'recent-too-few': 'too few new units lately',
  stale: 'nothing was counted lately',
  soak: 'not soaked long enough',
  'sample-ratio': 'keys are not split as the dial says: stale flags, or a producer without the library',
  'shed-too-many': 'too many shadows were shed or ignored: the pairs are no fair sample',
  'no-probe': 'no probe has come yet',
  'last-probe-failed': 'the last probe failed',
  'tools-missing-unconfirmed': 'target lacked tools in the last probe',
  'server-down-everywhere': 'a server is down for both sides',
  'backlog-old': 'the oldest job on target waits too long',
  'wait-over-limit': 'jobs wait too long on target',
  'max-stay': 'the stage has lasted longer than its max-stay: promote, roll back, or raise it',
  approval: 'a human has to say yes to the next stage',
  'flag-lost': 'the flag cannot be read or written',
  'workers-missing': 'queues of this stage are read by nobody',
  'mixed-versions': 'producers have different flag values, or workers different handler versions',
  contradiction: 'the counts contradict each other: a bug, nothing is promoted',
}

const DRIVE_TEXTS: Readonly<Record<Exclude<DriveReason, GateReason>, string>> = {
  latched: 'the latch is set, every job goes to legacy',
  paused: 'promotions are paused',
  'plan-broken': "the plan's file cannot be used",
  'plan-refused': 'the changed plan is refused',
  'dials-moved': 'somebody has moved the dials',
  'flag-not-writable': 'the flag cannot be written from here',
  'producers-behind': 'not every producer has the flag and the latch as they are',
}

export function reasonText(reason: string): string {
  return { ...REASON_TEXTS, ...DRIVE_TEXTS }[reason as DriveReason] ?? reason
}

export interface Waiting {
  readonly record: DriveRecord | undefined
  readonly reasons: readonly string[]
  readonly judgement: StageJudgement | null
  readonly facts: DriveFacts
}

/** A sentence a reason, with the numbers behind it and what a human can do. */
export function waitsOf(waiting: Waiting): string[] {
  return waiting.reasons.map((reason) => sentence(reason, waiting))
}

function sentence(reason: string, { record, judgement, facts }: Waiting): string {
  const text = reasonText(reason)
  const name = record?.plan.migration ?? ''
  switch (reason) {
    case 'latched': {
      const { by, why } = facts.latch
      const said = by === undefined ? '' : ` (by ${by}${why === undefined ? '' : `: ${why}`})`
      return `${text}${said}; lift it: cutover unlatch ${name}`
    }
    case 'paused':
      return `${text} by ${record?.paused?.by ?? 'somebody'}; go on: cutover resume ${name}`
    case 'plan-broken':
      return `${text}: ${facts.plan.kind === 'broken' ? facts.plan.message : ''}`
    case 'plan-refused':
      return `${text}: ${facts.plan.kind === 'changed' ? (facts.plan.refused ?? '') : ''}; put it back`
    case 'dials-moved':
      return `${text}; put them back and count anew: cutover resume ${name}`
    case 'producers-behind':
      return `${text}: ${facts.producers
        .filter(({ behind }) => behind.length > 0)
        .map(producerText)
        .join(', ')}`
    case 'workers-missing':
      return `${text}: ${facts.unworked.join(', ')}`
    case 'flag-lost':
      return `${text}${facts.flag.message === undefined ? flagOfProducers(facts) : `: ${facts.flag.message}`}`
    case 'approval': {
      const next = record && nextStage(record)?.name
      return `a human has to say yes to ${next ?? 'the next stage'}: cutover promote ${name}`
    }
    case 'max-stay': {
      const stay = record === undefined ? '' : ` (${formatDuration(stageOf(record).maxStayMs)})`
      return `the stage has lasted longer than its max-stay${stay}: promote, roll back, or raise it`
    }
    default:
      return byGates(reason, text, judgement)
  }
}

function byGates(reason: string, text: string, judgement: StageJudgement | null): string {
  const gates = judgement?.gates.filter((gate) => gate.reason === reason) ?? []
  if (gates.length === 0) return text
  const said = gates.flatMap(({ message }) => message ?? [])
  return `${gates.map(({ name }) => name).join(', ')}: ${[text, ...said].join('; ')}`
}

function producerText({ host, pid, behind }: ProducerFacts): string {
  return `${host}/${pid} (${behind.join(' and ')})`
}

function flagOfProducers({ producers }: DriveFacts): string {
  const lost = producers.filter(({ flagHealth }) => flagHealth !== 'ok')
  return lost.length === 0
    ? ''
    : ` by ${lost.map(({ host, pid, flagHealth }) => `${host}/${pid} (${flagHealth})`).join(', ')}`
}
