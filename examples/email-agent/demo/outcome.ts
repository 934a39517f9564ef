// How did a run end, in words and as an exit code? Well, only if the ledger and the handlers' own log both say that no
// job was lost and none done twice.

import { formatCount } from '../../../src/report/format.ts'
import type { RunResult } from './run.ts'

/** Everything that speaks against the run; empty: nothing lost, nothing done twice. */
export function faultsOf({ model, checks }: RunResult, jobs: number): string[] {
  const faults: string[] = []
  for (const { migration, check } of checks) {
    const lost = check.neverCompleted.filter((id) => !check.failed.includes(id))
    const say = (what: string, ids: readonly string[]): void => {
      if (ids.length > 0) faults.push(`${migration}: ${formatCount(ids.length)} ${what}: ${ids.slice(0, 3).join(', ')}`)
    }
    say('never done', lost)
    say('effects stored twice', check.storedTwice)
    say('with effects on both sides', check.onBothSides)
    say('effects of a copy', check.shadowEffects)
    say('done without having stored the e-mail', check.completedUnstored)
    say('that nobody sent', check.unexpected)
    if (check.unreadable > 0) faults.push(`${migration}: ${check.unreadable} unreadable lines in the log`)
    const report = model.migrations.find(({ name }) => name === migration)
    const told = report === undefined ? 0 : report.jobs.done + report.jobs.failed
    if (told !== jobs)
      faults.push(`${migration}: the ledger tells of ${formatCount(told)} jobs, ${formatCount(jobs)} were sent`)
    if (report !== undefined && report.jobs.failed !== check.failed.length) {
      faults.push(`${migration}: ${report.jobs.failed} failed in the ledger, ${check.failed.length} in the log`)
    }
    if (report?.jobs.lost) faults.push(`${migration}: ${report.jobs.lost} lost in the ledger`)
    if (report?.jobs.twice) faults.push(`${migration}: ${report.jobs.twice} done twice in the ledger`)
    for (const { law } of report?.contradictions ?? [])
      faults.push(`${migration}: the ledger contradicts itself: ${law}`)
  }
  return faults
}

/** What the handlers' log says, and the last line. */
export function outcomeText(result: RunResult, jobs: number): string {
  const lines = result.checks.map(({ migration, check }) => {
    const { legacy, target } = check.completed
    const ended = jobs - check.neverCompleted.length
    const again =
      check.ranAgain.length === 0
        ? ''
        : `, ${formatCount(check.ranAgain.length)} of them more than once, as their worker died`
    const refused = check.refused === 0 ? '' : `, ${formatCount(check.refused)} repeated ones refused by their key`
    const failed = check.failed.length === 0 ? '' : `, ${formatCount(check.failed.length)} failed`
    return [
      `  ${migration.padEnd(14)}${formatCount(jobs)} sent, ${formatCount(ended)} done${failed}${again};`,
      `  ${''.padEnd(14)}${formatCount(legacy)} runs on legacy, ${formatCount(target)} on target; ${formatCount(check.stored)} effects stored${refused}`,
    ].join('\n')
  })
  const faults = faultsOf(result, jobs)
  const { restarts, seconds } = result
  const killed =
    restarts === 0 ? '' : `; ${restarts === 1 ? 'one process' : `${restarts} processes`} died and came back`
  const end =
    faults.length === 0
      ? `Nothing lost, nothing done twice (${seconds.toFixed(0)} s${killed}).`
      : `NOT WELL (${seconds.toFixed(0)} s${killed}):\n${faults.map((fault) => `  ${fault}`).join('\n')}`
  return `The handlers' own log, read without cutover:\n${lines.join('\n')}\n\n${end}\n`
}
