// The plan on the command line: what is wrong with it is told by its line, and a driven one is paused, promoted, let go
// and judged again.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openCutover } from '../../src/index.ts'
import { defaultPlan } from '../../src/rollout/plan.ts'
import { type Bed, bed, configOf, configText, until } from './kit.ts'

let place: Bed

beforeEach(() => {
  place = bed()
  place.write('cutover.config.ts', configText(place, { migration: `plan: 'plan.md',` }))
  place.write('flags.yaml', 'parse-email: { target: 0%, shadow: 0% }\n')
})
afterEach(() => place.remove())

const GOOD = defaultPlan({ migration: 'parse-email', legacy: 'embedded', target: 'embedded' })

/** The plan with the first `from` turned to `to`, and the line where that is. */
function broken(from: string, to: string): { text: string; line: number } {
  const at = GOOD.indexOf(from)
  if (at < 0) throw new Error(`the plan has no ${from}`)
  return { text: GOOD.replace(from, to), line: GOOD.slice(0, at).split('\n').length }
}

interface Line {
  readonly area: string
  readonly name: string
  readonly status: string
  readonly text: string
}

async function planLines(): Promise<{ code: number; lines: Line[] }> {
  const { code, value } = await place.json('check')
  const lines = (value.checks as Line[]).filter(({ area, name }) => area === 'parse-email' && name === 'plan')
  return { code, lines }
}

describe('check', () => {
  test('a good plan', async () => {
    place.write('plan.md', GOOD)
    const { code, lines } = await planLines()
    expect(code).toBe(0)
    expect(lines).toMatchObject([
      { status: 'ok', text: expect.stringContaining('shadow-first → shadow-all → canary-1') },
    ])
  })

  test.each([
    ['unknown-key', 'alpha: 0.05', 'alhpa: 0.05'],
    ['version-unsupported', 'version: 1', 'version: 2'],
    ['percent-sign-missing', 'target: 10%,', 'target: 10,'],
    ['percent-step', 'target: 10%,', 'target: 10.05%,'],
    ['out-of-range', 'limit: 0.1%', 'limit: 60%'],
    ['stage-name-twice', 'name: canary-10', 'name: canary-1'],
    ['target-falls', 'target: 50%', 'target: 5%'],
    ['gate-not-here', 'name: full, target: 100%, shadow: 10%', 'name: full, target: 100%', 'limit: 0.1%'],
    ['deadline-too-short', 'deadline: 10m', 'deadline: 10s'],
    ['soak-over-stay', 'max-stay: 7d', 'max-stay: 30m'],
    ['soak-under-deadline', 'min-soak: 1h', 'min-soak: 5m'],
    ['migration-unknown', 'migration: parse-email', 'migration: parse-mail'],
    ['wrong-value', 'target: embedded', 'target: bullmq'],
    ['yaml-syntax', 'version: 1', 'version: [1'],
  ])('%s is told with its line', async (problem, from, to, seen = from) => {
    const { text } = broken(from, to)
    const { line } = broken(seen, to)
    place.write('plan.md', text)
    const { code, lines } = await planLines()
    expect(code).toBe(1)
    const told = lines.filter(({ status, text: said }) => status === 'bad' && said.endsWith(`(${problem})`))
    const places = told.map(({ text: said }) => Number(/plan\.md:(\d+):/.exec(said)?.[1]))
    // a syntax error is told where the reader noticed it
    if (problem === 'yaml-syntax') expect(places[0]).toBeGreaterThanOrEqual(line)
    else expect(places).toContain(line)
  })

  test.each([
    ['plan-block-missing', '# no plan\n'],
    ['plan-block-twice', `${GOOD}\n${GOOD}`],
    ['prove-nothing', GOOD.replaceAll('rule: prove', 'rule: watch')],
  ])('%s', async (problem, text) => {
    place.write('plan.md', text)
    const { code, lines } = await planLines()
    expect(code).toBe(1)
    expect(lines.some(({ text: said }) => said.includes(`(${problem})`))).toBe(true)
  })

  test('shadow-not-declared and key-missing hang on the configuration', async () => {
    const text = configText(place, { migration: `plan: 'plan.md',` })
    place.write('plan.md', GOOD.replace('unit: key\n', 'unit: key-day\n'))
    place.write(
      'cutover.config.ts',
      text.replace("'effects-declared'", "'off'").replace('key: (mail) => mail.from,', ''),
    )
    const { lines } = await planLines()
    const said = lines.map((line) => line.text).join('\n')
    expect(said).toContain('(shadow-not-declared)')
    expect(said).toContain('(key-missing)')
  })

  test('keys that would move unseen, and a last stage below 100 %, are warnings', async () => {
    const unseen = GOOD.replace('shadow: 100%, control', 'shadow: 5%, control')
    place.write('plan.md', unseen.replace('name: full, target: 100%', 'name: full, target: 90%'))
    const { code, lines } = await planLines()
    expect(code).toBe(0)
    const warned = lines
      .filter(({ status }) => status === 'warn')
      .map((line) => line.text)
      .join('\n')
    expect(warned).toContain('keys would move that were never compared')
    expect(warned).toContain('(no-full-stage)')
  })

  test('--traffic says when too little was counted to tell', async () => {
    place.write('plan.md', GOOD)
    const { value } = await place.json('check', '--traffic')
    const line = (value.checks as Line[]).find(({ name }) => name === 'traffic')
    expect(line?.text).toContain('less than an hour')
  })
})

test('plan show: stages, dials, limits and what they need', async () => {
  place.write('plan.md', GOOD)
  const { code, stdout } = await place.cli('plan', 'show')
  expect(code).toBe(0)
  expect(stdout).toMatch(/canary-10 {2}target 10% {2}shadow 10%/)
  expect(stdout).toMatch(/errors {4}prove ≤ 2%: 26[678] keys without a failure/)
  expect(stdout).toContain('a human says yes to enter')
  const { value } = await place.json('plan', 'show')
  expect(value.plan.stages).toHaveLength(6)
  place.write('plan.md', '# nothing\n')
  expect((await place.json('plan', 'show')).value.error.code).toBe('plan-invalid')
})

describe('a driven plan', () => {
  const TIMES = `timeout: '1s', waitAllowance: '500ms', retain: '1m', lease: '1s',`
  const STAGE = 'min-soak: 3s, max-stay: 1h, gates: {mismatch: {limit: 1%, rule: prove}}'
  const PLAN = `\`\`\`yaml cutover
version: 1
migration: parse-email
legacy: embedded
target: embedded
stages:
  - {name: shadow, target: 0%, shadow: 100%, ${STAGE}}
  - {name: full, target: 100%, shadow: 10%, approval: manual, ${STAGE}}
\`\`\`
`
  let app: Awaited<ReturnType<typeof openCutover>>

  beforeEach(async () => {
    place.write('plan.md', PLAN)
    place.write('cutover.config.ts', configText(place, { migration: `plan: 'plan.md', ${TIMES}` }))
    const config = configOf(place)
    const times = { timeout: '1s', waitAllowance: '500ms', retain: '1m', lease: '1s' }
    Object.assign(config.migrations['parse-email'], times)
    app = (await openCutover(config)) as never
    for (const side of ['legacy', 'target'] as const)
      await app.work('parse-email' as never, side, (async () => ({})) as never)
    // in its first stage, counted, with nothing in it
    await until('the epoch of the first stage is open', async () => {
      const { value } = await place.json('drive', '--once')
      return value.phase === 'watching'
    })
  })
  afterEach(() => app.close({ timeout: '2s' }))

  test('holds; its decision is in the history, and judged again to the same verdict', async () => {
    const held = await place.json('drive', '--once')
    expect(held).toMatchObject({ code: 3, value: { state: 'held', stage: 'shadow', next: 'full' } })
    expect(held.value.reasons).toContain('no-data')
    const { value } = await place.json('history')
    const decided = value.entries.find((entry: { data: { decision?: number } }) => entry.data.decision !== undefined)
    expect(decided).toMatchObject({ action: 'plan-hold', data: { verdict: 'hold', stage: 'shadow' } })
    expect(decided.data.snapshot).toBeUndefined()
    const number = String(decided.data.decision)
    const judged = await place.json('judge', '--decision', number)
    expect(judged).toMatchObject({ code: 3, value: { verdict: 'hold', same: true, stage: 'shadow' } })
    const saved = await place.json('history', '--decision', number, '--save', 'decision.json')
    expect(saved.code).toBe(0)
    const again = await place.json('judge', '--snapshot', 'decision.json', '--config', 'no.config.ts')
    expect(again).toMatchObject({ code: 3, value: { verdict: 'hold', same: true } })
    // counts that would have passed, and counts that would have failed
    const file = join(place.folder, 'decision.json')
    const snapshot = JSON.parse(readFileSync(file, 'utf8'))
    const counts = (n: number, mismatched: number) => ({
      ...snapshot.counts,
      ...{ mismatch: { counts: { n, mismatched } }, soakedMs: 10_000, conditions: {} },
      ...{ shed: { wanted: n, shed: 0 }, queueWait: { n, over: 0 } },
    })
    place.write('decision.json', JSON.stringify({ ...snapshot, counts: counts(5000, 0) }))
    expect(await place.json('judge', '--snapshot', 'decision.json')).toMatchObject({ code: 0, value: { same: false } })
    place.write('decision.json', JSON.stringify({ ...snapshot, counts: counts(5000, 900) }))
    expect((await place.cli('judge', '--snapshot', 'decision.json')).code).toBe(4)
    place.write('decision.json', '{}')
    expect((await place.json('judge', '--snapshot', 'decision.json')).value.error.code).toBe('snapshot-invalid')
    expect((await place.json('judge', '--decision', '999')).code).toBe(2)
  })

  test('promote says no while a gate holds; forced, it says why and who', async () => {
    expect(await place.json('promote', '--dry-run')).toMatchObject({
      code: 3,
      value: { promoted: false, next: 'full' },
    })
    expect(await place.json('promote')).toMatchObject({ code: 3, value: { promoted: false } })
    expect((await place.json('promote', '--force')).value.error.code).toBe('usage')
    const said = await place.json('promote', '--force', '--why', 'three mailboxes', '--by', 'kim')
    expect(said).toMatchObject({ code: 0, value: { promoted: true, controllers: 0 } })
    const { value } = await place.json('drive', '--once')
    expect(value.stage).toBe('full')
    const history = (await place.json('history')).value.entries
    expect(history.find(({ action }: { action: string }) => action === 'plan-promote')?.why).toContain('forced by kim')
    expect(await place.json('promote')).toMatchObject({ code: 1, value: { next: null } })
  })

  test('flag set refuses; forced, the plan holds until it is resumed', async () => {
    const refused = await place.json('flag', 'set', '--target', '10%')
    expect(refused).toMatchObject({ code: 1, value: { error: { code: 'plan-driven' } } })
    expect(readFileSync(place.flagFile, 'utf8')).toContain('target: 0%')
    expect((await place.cli('flag', 'set', '--target', '10%', '--force')).code).toBe(0)
    expect((await place.json('drive', '--once')).value.reasons).toContain('dials-moved')
    expect((await place.json('resume')).value.phase).toBe('entering')
    await place.json('drive', '--once')
    expect(readFileSync(place.flagFile, 'utf8')).toContain('target: 0%')
  })

  test('pause, resume, status and release', async () => {
    expect((await place.json('pause', '--why', 'freeze', '--by', 'kim')).value.paused).toMatchObject({ by: 'kim' })
    expect((await place.json('drive', '--once')).value.reasons).toContain('paused')
    const { stdout } = await place.cli('status')
    expect(stdout).toContain('promotions are paused by kim')
    expect(stdout).toContain('no controller runs, nothing moves: cutover drive parse-email')
    const { value } = await place.json('status')
    expect(value.migrations[0].rollout).toMatchObject({
      stage: 'shadow',
      phase: 'watching',
      paused: { by: 'kim', why: 'freeze' },
    })
    expect((await place.json('status', '--watch')).value.error.code).toBe('usage')
    expect((await place.json('resume')).value.paused).toBeNull()
    const report = (await place.cli('report')).stdout
    expect(report).toContain('Gates of shadow')
    expect(report).toContain('Timeline')
    expect((await place.json('plan', 'release')).value).toMatchObject({ driven: false })
    expect((await place.json('pause')).value.error.code).toBe('plan-not-driven')
    expect((await place.cli('flag', 'set', '--target', '10%')).code).toBe(0)
  })

  test('rollback sends it back, unlatch starts it again', async () => {
    await place.json('rollback', '--wait', '0s')
    expect(await place.json('drive', '--once')).toMatchObject({
      code: 4,
      value: { phase: 'back', reasons: ['latched'] },
    })
    await place.json('unlatch', '--wait', '0s')
    const { value } = await place.json('drive', '--once')
    expect(value).toMatchObject({ stage: 'shadow' })
    expect((await place.json('status')).value.migrations[0].rollout.attempt).toBe(2)
  })
})

test('a plan that is wrong is not begun, and one that is not driven is said so', async () => {
  place.write('plan.md', broken('alpha: 0.05', 'alpha: 5').text)
  expect((await place.json('drive', '--once')).value.error).toMatchObject({ code: 'plan-invalid' })
  for (const command of ['promote', 'pause', 'resume']) {
    expect((await place.json(command)).value.error.code).toBe('plan-not-driven')
  }
  place.write('other.config.ts', configText(place))
  const { value } = await place.json('drive', '--once', '--config', 'other.config.ts')
  expect(value.error.message).toContain("write: plan: 'migration-plan.md'")
})
