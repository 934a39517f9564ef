// What is to be said of a migration's plan? What is wrong with it by its lines, and whether its stages can be got through.

import type { MigrationSettings } from '../config/resolve.ts'
import { lintPlan } from '../rollout/plan/lint.ts'
import { problemText } from '../rollout/plan/problems.ts'
import { type Traffic, weeklyTraffic } from '../rollout/traffic.ts'
import { formatDuration } from '../vocabulary/duration.ts'
import type { Findings } from './findings.ts'
import type { Session } from './session.ts'

/** `traffic`: also against the jobs and keys that the ledger counted in the last week. */
export async function inspectPlan(
  session: Session,
  settings: MigrationSettings,
  findings: Findings,
  { traffic = false }: { readonly traffic?: boolean } = {},
): Promise<void> {
  const { name } = settings
  const file = session.planFile(settings)
  if (file.kind === 'none') return
  if (file.kind === 'missing') {
    findings.add(name, 'plan', 'warn', `there is no ${file.path}`, 'cutover init writes one')
    return
  }
  if (file.kind === 'unreadable') {
    findings.add(name, 'plan', 'bad', file.message)
    return
  }
  const { plan, problems, warnings, path } = file
  for (const problem of warnings) findings.add(name, 'plan', 'warn', problemText(problem))
  if (plan === undefined) {
    for (const problem of problems) findings.add(name, 'plan', 'bad', problemText(problem))
    return
  }
  const { stages } = plan
  findings.add(name, 'plan', 'ok', `${path}: ${stages.length} stages, ${stages.map((stage) => stage.name).join(' → ')}`)
  const seen = traffic ? await readTraffic(session, settings) : undefined
  if (traffic) findings.add(name, 'traffic', 'ok', trafficText(seen))
  for (const { message } of lintPlan(plan, seen)) findings.add(name, 'plan', 'warn', message)
}

async function readTraffic(session: Session, settings: MigrationSettings): Promise<Traffic | undefined> {
  const ledger = await session.ledgerOf(settings)
  return weeklyTraffic(await ledger.snapshot(), settings.key !== undefined)
}

function trafficText(traffic: Traffic | undefined): string {
  if (traffic === undefined)
    return 'less than an hour was counted in the last week: nothing is said of how long stages take'
  const { jobsLastWeek = 0, keysLastWeek = 0, observedMs } = traffic
  const week = `${jobsLastWeek.toLocaleString('en')} jobs and ${keysLastWeek.toLocaleString('en')} keys a week`
  return `${week}, from ${formatDuration(observedMs)} of counts`
}
