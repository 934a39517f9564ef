// `cutover simulate`: text, JSON, where the plan comes from, Ctrl-C, and what it refuses.

import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { run } from '../../src/cli/run.ts'
import { type Bed, bed, configText } from './kit.ts'

let place: Bed
const plan = readFileSync(join(import.meta.dirname, '../../migration-plan.md'), 'utf8')

beforeAll(() => {
  place = bed()
  place.write('migration-plan.md', plan)
})
afterAll(() => place?.remove())

const FAST = ['--runs', '2', '--seed', '1', '--jobs-per-day', '2000']

test('ends, stages, units and days, from the plan in this folder; no configuration is needed', async () => {
  const { code, stdout, stderr } = await place.cli('simulate', 'parse-email', ...FAST)
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(stdout).toContain('parse-email (migration-plan.md), 2 runs, seed 1')
  expect(stdout).toMatch(/promoted +2 +100 % +\(15\.8–100 %\) +after/)
  expect(stdout).toMatch(/full +100% +2 +2 +0 +0 +4,199 \(4,199\) +lost/)
})

test('the same seed prints the same', async () => {
  const argv = ['simulate', 'thread-email', '--preset', 'mismatch-2x', ...FAST]
  const first = await place.cli(...argv)
  expect(first.stdout).toMatch(/shadow-all +failed by mismatch \(\d\): on-fail: hold/)
  expect(await place.cli(...argv)).toEqual(first)
})

test('JSON says what was played, and without a seed which one was drawn', async () => {
  const { code, value } = await place.json(
    'simulate',
    'parse-email',
    '--runs',
    '1',
    '--mismatch',
    '0.05%',
    '--burst',
    '2',
  )
  expect(code).toBe(0)
  expect(value).toMatchObject({ migration: 'parse-email', preset: 'good', runs: 1, wanted: 1, attempt: 1 })
  expect(value.version.mismatch).toBeCloseTo(0.0005, 12)
  expect(value.traffic).toEqual({ jobsPerDay: 1000, keys: null, skew: 0, burst: 2 })
  expect(value.promoted.n + value.rolledBack.n + value.held.n).toBe(1)
  expect(value.stages).toHaveLength(6)
  const again = await place.json(
    'simulate',
    'parse-email',
    '--runs',
    '1',
    '--mismatch',
    '0.05%',
    '--burst',
    '2',
    '--seed',
    String(value.seed),
  )
  expect(again.value).toEqual(value)
})

test('with a configuration the plan is the one that the migration names', async () => {
  const configured = bed()
  try {
    mkdirSync(join(configured.folder, 'plans'))
    configured.write('cutover.config.ts', configText(configured, { migration: `plan: 'plans/mail.md',` }))
    const missing = await configured.cli('simulate', ...FAST)
    expect(missing.code).toBe(1)
    expect(missing.stderr).toMatch(/there is no .*plans\/mail\.md/)
    configured.write('plans/mail.md', plan.slice(0, plan.indexOf('## thread-email')).replace('20s', '10m'))
    const { code, stdout, stderr } = await configured.cli('simulate', ...FAST)
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toContain('parse-email (plans/mail.md), 2 runs')
    configured.write('other.md', plan)
    expect((await configured.cli('simulate', '--plan', 'other.md', 'thread-email', ...FAST)).code).toBe(0)
  } finally {
    configured.remove()
  }
})

test('Ctrl-C prints what there is', async () => {
  const told = { stdout: '', stderr: '' }
  const stop = new AbortController()
  const code = await run(['simulate', 'parse-email', '--seed', '1', '--runs', '100000'], {
    stdout: { write: (text: string) => (told.stdout += text) },
    stderr: { write: (text: string) => (told.stderr += text) },
    cwd: place.folder,
    env: {},
    isTTY: false,
    interrupt: () => {
      setTimeout(() => stop.abort(), 100)
      return stop.signal
    },
  })
  expect(code).toBe(0)
  expect(told.stderr).toMatch(/stopped after \d+ runs? of 100,000/)
  expect(told.stdout).toMatch(/\d+ of 100,000 runs, seed 1/)
})

describe('is refused', () => {
  test.each([
    [['simulate'], 2, /which migration\? migration-plan\.md has: parse-email, thread-email/],
    [['simulate', 'nope'], 1, /no fenced block `yaml cutover` with `migration: nope`/],
    [['simulate', 'parse-email', '--plan', 'none.md'], 2, /none\.md cannot be read/],
    [['simulate', 'parse-email', '--mismatch', '2'], 2, /a share with its sign, e\.g\. 0\.05%/],
    [['simulate', 'parse-email', '--preset', 'bad'], 2, /Allowed choices are good, mismatch-2x/],
    [['simulate', 'parse-email', '--errors', '0.1%'], 1, /errorsApart: is 0\.002, more than errors/],
    [['simulate', 'parse-email', '--skew', '1'], 1, /skew: needs a number of keys/],
    [['simulate', 'parse-email', '--runs', '0'], 2, /a whole number from 1/],
    [['simulate', 'parse-email', '--seed', 'x'], 2, /a whole number from 0 to 4294967295/],
  ])('%j', async (argv, exit, message) => {
    const { code, stdout, stderr } = await place.cli(...argv)
    expect({ code, stdout }).toEqual({ code: exit, stdout: '' })
    expect(stderr).toMatch(message)
  })
})
