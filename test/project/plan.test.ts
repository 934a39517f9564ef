// The repository's own plan is valid, and the demo's short form of it is, too.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import config from '../../examples/email-agent/cutover.config.ts'
import { planFor, shortPlan } from '../../examples/email-agent/demo/short-plan.ts'
import { Findings } from '../../src/cli/findings.ts'
import { inspectPlan } from '../../src/cli/inspect-plan.ts'
import { Session } from '../../src/cli/session.ts'
import type { CutoverConfig } from '../../src/config/types.ts'
import { readPlans } from '../../src/rollout/plan.ts'

const ROOT = join(import.meta.dirname, '../..')
const text = readFileSync(join(ROOT, 'migration-plan.md'), 'utf8')

test('cutover check finds nothing wrong with it', async () => {
  // what the command does, over the configuration as it is imported here
  const path = join(ROOT, 'examples/email-agent/cutover.config.ts')
  const session = new Session({ path, config: config as unknown as CutoverConfig })
  const findings = new Findings()
  for (const settings of session.pickAll(undefined)) await inspectPlan(session, settings, findings)
  const found = findings.all.map(({ area, name, status }) => [area, name, status])
  expect(found).toEqual([
    ['parse-email', 'plan', 'ok'],
    ['thread-email', 'plan', 'ok'],
  ])
})

test('it can be had for other queues', () => {
  const { plans } = readPlans(planFor(text, 'bee-queue,bullmq'), 'other.md')
  expect(plans.map(({ legacy, target }) => [legacy, target])).toEqual([
    ['bee-queue', 'bullmq'],
    ['bee-queue', 'bullmq'],
  ])
})

test('the short form has the same stages and gates, and soaks of seconds', () => {
  const { plans, problems } = readPlans(shortPlan(text), 'short.md')
  expect(problems).toEqual([])
  const own = readPlans(text, 'migration-plan.md').plans
  const bare = (all: typeof plans) =>
    all.map(({ stages }) => stages.map(({ name, target, gates }) => ({ name, target, gates })))
  expect(bare(plans)).toEqual(bare(own))
  for (const { stages } of plans) for (const { minSoakMs } of stages) expect(minSoakMs).toBe(12_000)
})
