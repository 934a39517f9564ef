// The repository's own plan is valid, and the demo's short form of it is, too.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { shortPlan } from '../../examples/email-agent/demo/short-plan.ts'
import { readPlans } from '../../src/rollout/plan.ts'
import { call } from '../cli/kit.ts'

const ROOT = join(import.meta.dirname, '../..')
const text = readFileSync(join(ROOT, 'migration-plan.md'), 'utf8')

test('cutover check finds nothing wrong with it', async () => {
  const argv = ['check', '--config', 'examples/email-agent/cutover.config.ts', '--json']
  const { code, stdout } = await call(argv, { cwd: ROOT })
  const { checks } = JSON.parse(stdout) as { checks: { area: string; name: string; status: string; text: string }[] }
  expect(code).toBe(0)
  const plans = checks.filter(({ name }) => name === 'plan')
  expect(plans.map(({ area, status }) => [area, status])).toEqual([
    ['parse-email', 'ok'],
    ['thread-email', 'ok'],
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
