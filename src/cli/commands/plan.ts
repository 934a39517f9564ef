// The plan as the machines read it, and its end before its end.

import type { Command } from 'commander'
import { saidStep } from '../../rollout/drive/steps.ts'
import { PLAIN_LIMITS } from '../../rollout/gates/plain.ts'
import { lintPlan, stageNeeds } from '../../rollout/plan/lint.ts'
import { problemText } from '../../rollout/plan/problems.ts'
import type { PlainLimits, Plan, Stage, StageGates } from '../../rollout/plan/types.ts'
import { planOfFile } from '../../rollout/plan-file.ts'
import { formatShare } from '../../vocabulary/dials.ts'
import { formatDuration } from '../../vocabulary/duration.ts'
import { mustBeDriven, say } from '../driven.ts'
import type { Answer, Call } from '../io.ts'
import { addWho, examples, NAME_HELP } from '../options.ts'
import { columns, foreign, type Pen } from '../pen.ts'
import type { Cli } from '../run.ts'
import { type WhoOptions, whoOf, withSession } from '../session.ts'

export function planCommand(program: Command, cli: Cli): void {
  const plan = program
    .command('plan')
    .description('the plan of a migration, and letting go of it')
    .addHelpText('after', examples(['cutover plan show parse-email']))
  plan
    .command('show')
    .description('the stages with dials, gates and what they need; without a server')
    .argument('[name]', NAME_HELP)
    .addHelpText('after', examples(['cutover plan show parse-email', 'cutover plan show --json | jq .plan.stages']))
    .action(cli.action(show))
  const release = plan
    .command('release')
    .description('ends the driving: the dials stay as they are, the ceiling opens, and people turn them again')
    .argument('[name]', NAME_HELP)
  addWho(release)
    .addHelpText('after', examples(['cutover plan release parse-email --why "goes on by hand"']))
    .action(cli.action(letGo))
}

async function show(call: Call): Promise<Answer> {
  return await withSession(call, async (session) => {
    const settings = session.pick(call.args[0])
    const file = session.planFile(settings)
    const plan = planOfFile(settings.name, file)
    const warnings = file.kind === 'read' ? file.warnings.map(problemText) : []
    const lint = lintPlan(plan).map(({ message }) => message)
    const path = file.kind === 'read' ? file.path : ''
    return {
      json: { migration: settings.name, file: path, plan, warnings: [...warnings, ...lint] },
      text: (pen) =>
        `${planText(plan, path, pen)}${[...warnings, ...lint].map((text) => `\n${pen.style('yellow', 'warning')}: ${foreign(text, 400)}`).join('')}\n`,
    }
  })
}

function planText(plan: Plan, path: string, pen: Pen): string {
  const { migration, legacy, target, alpha, unit, deadlineMs, stages } = plan
  const deadline = deadlineMs === undefined ? "the migration's" : formatDuration(deadlineMs)
  const head = `${pen.style('bold', migration)}: ${legacy} → ${target}; alpha ${alpha}, unit ${unit}, deadline ${deadline}`
  return [head, pen.style('dim', path), ...stages.flatMap((stage) => ['', ...stageText(plan, stage, pen)])].join('\n')
}

function stageText(plan: Plan, stage: Stage, pen: Pen): string[] {
  const { name, target, shadow, control, minSoakMs, maxStayMs, approval, onFail, gates } = stage
  const dials = `target ${formatShare(target)}  shadow ${formatShare(shadow)}  control ${formatShare(control)}`
  const times = `soak ${formatDuration(minSoakMs)}, stay up to ${formatDuration(maxStayMs)}`
  const human = approval === 'manual' ? `  ${pen.style('yellow', 'a human says yes to enter')}` : ''
  return [
    `${pen.style('bold', name)}  ${dials}  ${times}  on fail: ${onFail}${human}`,
    columns(
      stageNeeds(plan, stage).map((need) => [need.gate, needText(need, gates)]),
      '  ',
    ),
    ...plainText(gates.plain),
  ]
}

function needText(need: ReturnType<typeof stageNeeds>[number], gates: StageGates): string {
  const gate = gates[need.gate]
  if (gate === undefined) return ''
  const limit = 'ratio' in gate ? `≤ ${gate.ratio} × legacy's` : `≤ ${formatShare(gate.limit)}`
  const against = 'against' in gate && gate.against === 'control' ? " over legacy's own noise" : ''
  const units =
    need.units === null ? 'units not known beforehand' : `${need.units.toLocaleString('en')} ${unitsText(need.unit)}`
  return need.rule === 'prove'
    ? `prove ${limit}${against}: ${units} without a failure`
    : `watch ${limit}${against}: from ${units} on`
}

function unitsText(unit: string): string {
  return unit === 'job' ? 'jobs' : unit === 'key' ? 'keys' : 'key-days'
}

/** The gates that are always on: only what differs from the defaults. */
function plainText(plain: PlainLimits): string[] {
  const shown: readonly (readonly [string, number, number, (n: number) => string])[] = [
    ['queue-wait', plain.queueWaitMs, PLAIN_LIMITS.queueWaitMs, formatDuration],
    ['backlog', plain.backlogMs, PLAIN_LIMITS.oldestAgeMs, formatDuration],
    ['shed', plain.shed, PLAIN_LIMITS.shed, formatShare],
    ['tripwire', plain.tripwire, PLAIN_LIMITS.tripwire, formatShare],
    ['sample-ratio', plain.sampleRatio, PLAIN_LIMITS.sampleRatio, String],
    ['duplicates', plain.duplicates, PLAIN_LIMITS.duplicates, String],
    ['mcp-tools', plain.mcpTools, PLAIN_LIMITS.mcpTools, String],
    ['mcp-reachable', plain.mcpReachable, PLAIN_LIMITS.mcpReachable, String],
  ]
  const own = shown
    .filter(([, limit, usual]) => limit !== usual)
    .map(([name, limit, , text]) => `${name} ${text(limit)}`)
  return own.length === 0 ? [] : [`  own limits: ${own.join(', ')}`]
}

async function letGo(call: Call<WhoOptions>): Promise<Answer> {
  return await withSession(call, async (session) => {
    const settings = session.pick(call.args[0])
    const driven = await mustBeDriven(session, settings)
    const said = { ...whoOf(call.options), at: driven.facts.now }
    const after = await say(driven, saidStep(driven.record, { kind: 'release' }, said))
    return {
      json: { migration: settings.name, stage: after.stage, driven: false },
      text: (pen) =>
        `${pen.style('bold', settings.name)}: let go in ${after.stage}; the dials stay as they are, cutover flag set turns them\n`,
    }
  })
}
