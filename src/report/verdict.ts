// What should a person know first? One line in plain words, and the findings behind it, the gravest first.
//
// It says what was counted. Whether a share of mismatches is good enough is for the gates and their limits.

import { SIDES, type Side } from '../vocabulary/job.ts'
import { cut, formatCount, formatInterval, formatMs, formatShare, plural, safeText, unitsPhrase } from './format.ts'
import { shareOf } from './jobs.ts'
import type { Finding, FindingCode, MigrationReport, Verdict } from './model.ts'

type Facts = Omit<MigrationReport, 'verdict'>

/** A clock farther than this from the ledger's is worth a word. */
const SKEW_NOTED_MS = 1000

/** Words of people and payloads, in a sentence. */
const foreign = (text: string): string => cut(safeText(text), 60)

export function verdictOf(facts: Facts): Verdict {
  const findings = [...brokenPromises(facts), ...looks(facts), ...notes(facts)]
  const [first] = findings
  const level = first === undefined || first.level === 'note' ? 'ok' : first.level
  return { level, text: headline(facts), findings }
}

function headline(facts: Facts): string {
  const prefix = facts.contradictions.length > 0 ? 'the counts contradict each other, trust none of them: ' : ''
  if (facts.jobs.enqueued === 0 && facts.contradictions.length === 0) return 'no jobs yet'
  return `${prefix}${stageClause(facts)}${jobsClause(facts)}; ${pairsClause(facts)}`
}

/** `held at shadow-all, mismatch: 18.4 % of 640 pairs differ, limit 1 %; `: where it stands, and what it waits for. */
function stageClause({ rollout, latch }: Facts): string {
  if (latch.set) return `rolled back${latch.why === null ? '' : ` (${foreign(latch.why)})`}; `
  if (rollout === null || !rollout.driven) return ''
  const { verdict, phase, gates } = rollout
  const stage = foreign(rollout.stage)
  if (phase === 'back') return `rolled back from ${stage}; `
  if (phase === 'entering') return `entering ${stage}; `
  if (phase === 'done' && verdict !== 'fail') return 'through all stages of its plan; '
  if (verdict === null) return ''
  if (verdict === 'pass') return `passing at ${stage}; `
  const gate = gates.find((each) => each.verdict === verdict)
  const why = gate === undefined ? '' : `, ${gate.name}: ${foreign(gate.text)}`
  return `${verdict === 'fail' ? 'failed' : 'held'} at ${stage}${why}; `
}

function jobsClause({ jobs }: Facts): string {
  const unfinished = jobs.waiting + jobs.running + jobs.moving
  const parts = [
    plural(jobs.enqueued, 'job'),
    jobs.lost === 0 ? 'none lost' : `${formatCount(jobs.lost)} LOST`,
    jobs.twice === 0 ? 'none done twice' : `${formatCount(jobs.twice)} DONE TWICE`,
  ]
  if (jobs.failed > 0) parts.push(`${formatCount(jobs.failed)} failed`)
  // "none lost" alone would say too much while the sweeper has not asked for these
  if (jobs.overdue > jobs.lost) parts.push(`${formatCount(jobs.overdue)} overdue`)
  if (unfinished > 0) parts.push(`${formatCount(unfinished)} not finished`)
  return parts.join(', ')
}

function pairsClause({ comparisons }: Facts): string {
  const { shadowed, compared, mismatched, share, open } = comparisons
  if (shadowed === 0) return 'nothing was shadowed'
  if (compared === 0) return open > 0 ? `nothing compared yet, ${plural(open, 'pair')} open` : 'no pair was compared'
  const pairs = plural(compared, 'compared pair')
  if (mismatched === 0) return `none of ${pairs} ${compared === 1 ? 'differs' : 'differ'}`
  return `${formatShare(share)} of ${pairs} ${compared === 1 ? 'differs' : 'differ'}`
}

function brokenPromises({ contradictions, jobs, sides }: Facts): Finding[] {
  const broken = (code: FindingCode, text: string): Finding => ({ level: 'broken', code, text })
  const findings = contradictions.map(({ law, expected, found }) =>
    broken('contradiction', `the counts contradict each other: ${law}; ${expected} and ${found}`),
  )
  for (const side of SIDES) {
    const { lost } = sides[side]
    if (lost > 0)
      findings.push(broken('lost', `${plural(lost, 'job')} lost on ${side}: overdue, and its queue has no copy`))
  }
  if (jobs.lost > sides.legacy.lost + sides.target.lost)
    findings.push(broken('lost', `${plural(jobs.lost, 'job')} lost`))
  if (jobs.twice > 0) findings.push(broken('twice', `${plural(jobs.twice, 'job')} completed a second time`))
  return findings
}

type Found = readonly [is: boolean, code: FindingCode, text: () => string]

function found(level: Finding['level'], candidates: readonly Found[]): Finding[] {
  return candidates.filter(([is]) => is).map(([, code, text]) => ({ level, code, text: text() }))
}

function looks(facts: Facts): Finding[] {
  const { jobs, sides, latch, processes, rollout } = facts
  const failing = rollout?.driven === true ? rollout.gates.filter(({ verdict }) => verdict === 'fail') : []
  return found('look', [
    ...failing.map(
      ({ name, text }): Found => [
        true,
        'gate',
        () => `the gate ${name} fails at ${foreign(rollout?.stage ?? '')}: ${foreign(text)}`,
      ],
    ),
    [latch.set, 'latched', () => `rolled back: the latch sends everything to legacy${latchWords(facts)}`],
    [
      processes.latchBehind > 0,
      'latch-behind',
      () => `${plural(processes.latchBehind, 'producer')} not yet at the newest setting of the latch`,
    ],
    ...SIDES.flatMap((side) => sideLooks(facts, side)),
    [jobs.overdue > 0, 'overdue', () => `${plural(jobs.overdue, 'job')} past the deadline without an outcome`],
    [
      jobs.failed > 0,
      'failed',
      () =>
        `${plural(jobs.failed, 'job')} failed: ${formatCount(sides.legacy.failed)} on legacy, ${formatCount(sides.target.failed)} on target`,
    ],
    [
      jobs.zombie > 0,
      'zombie',
      () => `${plural(jobs.zombie, 'outcome')} refused: a run that had lost its job came back`,
    ],
    ...pairLooks(facts),
    ...facts.mcp.flatMap(mcpLooks),
    ...channelLooks(facts),
  ])
}

function sideLooks({ sides, comparisons }: Facts, side: Side): Found[] {
  const { inDoubt, backlog, workers, shadowWorkers, versions, shadows } = sides[side]
  const copiesAway = shadows.wanted - shadows.shed - shadows.done - shadows.failed
  return [
    [inDoubt > 0, 'in-doubt', () => `${plural(inDoubt, 'job')} in doubt on ${side}: died after effects had begun`],
    [
      backlog > 0 && workers === 0,
      'no-workers',
      () => `no live worker on ${side}, where ${plural(backlog, 'job is', 'jobs are')} not finished`,
    ],
    [
      comparisons.open > 0 && copiesAway > 0 && shadowWorkers === 0,
      'no-shadow-workers',
      () => `no live process reads the shadow queue of ${side}`,
    ],
    [
      versions.length > 1,
      'mixed-versions',
      () => `workers on ${side} run versions ${versions.map(foreign).join(', ')} at once`,
    ],
  ]
}

function pairLooks(facts: Facts): Found[] {
  const { mismatched, orphaned, orphanedOn, shed, shadowed } = facts.comparisons
  return [
    [mismatched > 0, 'mismatched', () => mismatchWords(facts)],
    [
      orphaned > 0,
      'orphaned',
      () =>
        `${plural(orphaned, 'pair')} orphaned: the other run never came (${formatCount(orphanedOn.legacy)} on legacy, ${formatCount(orphanedOn.target)} on target)`,
    ],
    [
      shed > 0,
      'shed',
      () => `${plural(shed, 'shadow')} not run (shed), ${formatShare(shareOf(shed, shadowed))} of those wanted`,
    ],
  ]
}

function channelLooks({ flag, processes }: Facts): Found[] {
  const states = (): string =>
    flag.states.map(({ state, producers }) => `${plural(producers, 'producer')} ${foreign(state)}`).join(', ')
  return [
    [flag.health === 'degraded', 'flag', () => `flag: ${states()}`],
    [
      processes.maxSkewMs > SKEW_NOTED_MS,
      'clock-skew',
      () => `a clock is ${formatMs(processes.maxSkewMs)} away from the ledger's`,
    ],
    [
      processes.clockJumps > 0,
      'clock-jumped',
      () =>
        `the ledger's clock jumped, as ${plural(processes.clockJumps, 'process', 'processes')} saw: what was due then may be called late or lost`,
    ],
  ]
}

/** A server that is better off on target is no reason to look. */
function mcpLooks({ server, verdict, text, places }: MigrationReport['mcp'][number]): Found[] {
  const tried = places.legacy.probes > 0 && places.target.probes > 0
  return [
    [
      verdict === 'worse' || (verdict === 'inconclusive' && tried),
      'mcp',
      () => `MCP server ${foreign(server)}: ${text}`,
    ],
  ]
}

function latchWords({ latch }: Facts): string {
  const by = latch.by === null ? '' : `, by ${foreign(latch.by)}`
  return latch.why === null ? by : `${by}: ${foreign(latch.why)}`
}

function mismatchWords({ comparisons, noise }: Facts): string {
  const { interval, mismatched, compared, share } = comparisons
  const range = `(95 % interval ${formatInterval(interval)})`
  const where =
    interval.units === compared ? ` ${range}` : `; ${unitsPhrase(interval)}: ${formatShare(interval.share)} ${range}`
  const own = noise.compared === 0 ? '' : `; legacy differs from itself in ${formatShare(noise.share)}`
  return `${plural(mismatched, 'pair differs', 'pairs differ')}, ${formatShare(share)}${where}${own}`
}

function notes({ jobs, comparisons, noise, flag }: Facts): Finding[] {
  return found('note', [
    [
      noise.mismatched > 0 && comparisons.mismatched === 0,
      'noise',
      () => `legacy differs from itself in ${formatShare(noise.share)} of ${plural(noise.compared, 'control')}`,
    ],
    [
      jobs.refused > 0,
      'refused',
      () => `${plural(jobs.refused, 'enqueue')} refused by the backend; the caller was told`,
    ],
    [
      jobs.unrecorded > 0,
      'unrecorded',
      () => `${plural(jobs.unrecorded, 'job')} ran while the ledger could not be reached; in no other number`,
    ],
    [flag.behind > 0, 'flag-behind', () => `${plural(flag.behind, 'producer')} not yet at the flag's newest revision`],
  ])
}
