import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import {
  defaultPlan,
  type LintFacts,
  lintPlan,
  type MigrationFacts,
  PLAN_PROBLEMS,
  type Plan,
  parsePlan,
  planOf,
  readPlans,
  stageNeeds,
  testsOf,
} from '../../src/rollout/plan.ts'
import { raised } from './kit.ts'

const fromRoot = (path: string): URL => new URL(`../../${path}`, import.meta.url)
const NAMES = { migration: 'parse-email', legacy: 'bee-queue', target: 'bullmq' }
const FILE = 'migration-plan.md'
const parsed = (text: string): Plan => planOf(parsePlan(text, FILE), NAMES.migration, FILE)

const HEAD = `version: 1
migration: parse-email
legacy: bee-queue
target: bullmq`
/** A valid block; the fence is line 3, `version` line 4. */
function block(stages: string, head: string = HEAD): string {
  return `# Plan\n\n\`\`\`yaml cutover\n${head}\nstages:\n${stages}\n\`\`\`\n`
}
const SHADOW = '  - {name: all, target: 0%, shadow: 100%, gates: {mismatch: {rule: prove}}}'
const FULL = '  - {name: full, target: 100%}'
const FACTS: MigrationFacts = {
  legacy: 'bee-queue',
  target: 'bullmq',
  shadowable: true,
  hasKey: true,
  deadlineMs: 600_000,
  neededDeadlineMs: 510_000,
}

describe('the example of docs/gates.md', () => {
  const page = readFileSync(fromRoot('docs/gates.md'), 'utf8')
  const example = /````markdown\n([\s\S]*?)````/.exec(page)?.[1] ?? ''
  it('is read with every default', () => {
    const plan = parsed(example)
    expect(plan).toMatchObject({ version: 1, ...NAMES, alpha: 0.05, unit: 'key', deadlineMs: 600_000 })
    expect(plan.stages.map(({ name, target, shadow, control }) => [name, target, shadow, control])).toEqual([
      ['shadow-first', 0, 0.1, 0.1],
      ['shadow-all', 0, 1, 0.1],
      ['canary-1', 0.01, 0.1, 0],
      ['canary-10', 0.1, 0.1, 0],
      ['canary-50', 0.5, 0.1, 0],
      ['full', 1, 0.1, 0],
    ])
    expect(plan.stages[3]).toEqual({
      name: 'canary-10',
      target: 0.1,
      shadow: 0.1,
      control: 0,
      minSoakMs: 86_400_000,
      maxStayMs: 14 * 86_400_000,
      approval: 'auto',
      staleAfterMs: 86_400_000,
      onFail: 'rollback',
      gates: {
        mismatch: { limit: 0.01, rule: 'watch', unit: 'key', minUnits: 20, against: 'nothing' },
        errors: { limit: 0.02, rule: 'prove', unit: 'key', minUnits: 20 },
        lost: { limit: 0.002, rule: 'watch', unit: 'job', minUnits: 20 },
        p50: { ratio: 1.1, rule: 'watch', unit: 'key', minUnits: 20 },
        p95: { ratio: 1.15, rule: 'watch', unit: 'key', minUnits: 20 },
        plain: {
          queueWaitMs: 30_000,
          backlogMs: 120_000,
          shed: 0.05,
          sampleRatio: 0.001,
          duplicates: 0,
          mcpTools: 0,
          mcpReachable: 3,
          tripwire: 0.2,
        },
      },
    })
    expect(plan.stages[0]).toMatchObject({ minSoakMs: 3_600_000, maxStayMs: 7 * 86_400_000, onFail: 'hold' })
    expect(plan.stages[0]?.staleAfterMs).toBe(3_600_000)
    expect(plan.stages[2]).toMatchObject({ approval: 'manual', gates: { errors: { minUnits: 10 } } })
    expect(testsOf(plan)).toBe(30)
  })
  it('is no plan of the page itself: it stands in a fence of its own', () => {
    expect(readPlans(page, 'gates.md').problems[0]?.code).toBe('plan-block-missing')
  })
  it('is what init writes', () => {
    const yaml = (text: string): string | undefined => /```yaml cutover\n([\s\S]*?)```/.exec(text)?.[1]
    expect(yaml(defaultPlan(NAMES))).toBe(yaml(example))
  })
})

describe('what is left out', () => {
  it.each([
    ['0%', 0.01],
    ['10%', 0.02],
    ['49.9%', 0.02],
    ['50%', 0.01],
    ['100%', 0.01],
  ])('the limit on errors at %s', (target, limit) => {
    const text = block(`  - {name: a, target: ${target}, shadow: 10%, gates: {errors: {}}}\n${FULL}`)
    expect(parsed(text).stages[0]?.gates.errors).toEqual({ limit, rule: 'prove', unit: 'key', minUnits: 20 })
  })
  it('the limit on lost ones is stricter at the end; units are the plan’s; gates not named are off', () => {
    const gates = 'gates: {lost: {}, mismatch: {limit: 0.7%}}'
    const text = block(
      `  - {name: a, target: 0%, shadow: 1%, ${gates}}\n  - {name: b, target: 100%, shadow: 1%, ${gates}}`,
      `${HEAD}\nunit: job`,
    )
    const [first, last] = parsed(text).stages
    expect(first?.gates.lost).toMatchObject({ limit: 0.002, unit: 'job' })
    expect(last?.gates.lost?.limit).toBe(0.001)
    expect(last?.gates.mismatch?.limit).toBe(0.007)
    expect(last?.gates.p50).toBeUndefined()
    expect(parsed(text).deadlineMs).toBeUndefined()
  })
  it('limits of the plain gates can be changed', () => {
    const gates = [
      'mismatch: {}, queue-wait: {limit: 90s}, backlog: {limit: 5m}, shed: {limit: 10%}, sample-ratio: {limit: 0.01%}',
      'duplicates: {limit: 1}, mcp-tools: {limit: 2}, mcp-reachable: {limit: 5}, tripwire: {limit: 30%}',
    ]
    const text = block(`  - {name: a, target: 10%, shadow: 1%, gates: {${gates.join(', ')}}}\n${FULL}`)
    expect(parsed(text).stages[0]?.gates.plain).toEqual({
      queueWaitMs: 90_000,
      backlogMs: 300_000,
      shed: 0.1,
      sampleRatio: 0.0001,
      duplicates: 1,
      mcpTools: 2,
      mcpReachable: 5,
      tripwire: 0.3,
    })
  })
})

/** `line code path` of each problem. */
function problems(text: string, facts?: MigrationFacts): string[] {
  const context = facts === undefined ? {} : { migrations: { 'parse-email': facts } }
  return readPlans(text, FILE, context).problems.map(({ line, code, path }) => `${line} ${code} ${path}`.trim())
}
const stage = (more: string, gates = 'mismatch: {}'): string =>
  block(`  - {name: a, target: 0%, shadow: 10%, ${more}${more === '' ? '' : ', '}gates: {${gates}}}\n${FULL}`)
const canary = (gates: string): string => block(`${SHADOW}\n  - {name: b, target: 10%, gates: {${gates}}}\n${FULL}`)
const head = (text: string): string => block(`${SHADOW}\n${FULL}`, text)

describe('what is refused, with its line', () => {
  it.each<[string, string, string[], MigrationFacts?]>([
    ['no block', '# Plan\n\n```yaml\nversion: 1\n```\n', ['1 plan-block-missing']],
    ['two for one migration', `${head(HEAD)}\n${head(HEAD)}`, ['15 plan-block-twice']],
    ['an open bracket', block('  - {name: a\n'), ['10 yaml-syntax']],
    ['a key twice', head(`${HEAD}\nversion: 1`), ['8 yaml-syntax']],
    ['a block that never ends', head(HEAD).replace(/```\n$/, ''), ['3 yaml-syntax']],
    ['an anchor', block(`${SHADOW.replace('{rule: prove}', '&m {rule: prove}')}\n${FULL}`), ['9 yaml-syntax']],
    ['an alias', block(`${SHADOW}\n  - {name: full, target: *t}`), ['10 yaml-syntax']],
    ['a tag', head(HEAD.replace('parse-email', '!!str parse-email')), ['5 yaml-syntax']],
    ['two documents', head(`${HEAD}\n---\na: 1`), ['8 yaml-syntax']],
    ['another YAML', head(`%YAML 1.1\n---\n${HEAD}`), ['4 yaml-syntax']],
    ['a directive for tags', head(`%TAG ! tag:example.org,2026:\n---\n${HEAD}`), ['4 yaml-syntax']],
    ['no map', '```yaml cutover\n- 1\n```', ['1 wrong-value']],
    ['nothing', '```yaml cutover\n```', ['1 wrong-value']],
    ['an unknown key', head(`${HEAD}\nowner: me`), ['8 unknown-key owner']],
    ['an unknown key of a stage', stage('soak: 1h'), ['9 unknown-key stages[0].soak']],
    ['an unknown gate', stage('', 'mismatch: {}, speed: {}'), ['9 unknown-key stages[0].gates.speed']],
    ['a limit for a ratio', stage('', 'mismatch: {}, p50: {limit: 1%}'), ['9 unknown-key stages[0].gates.p50.limit']],
    [
      'against, of another gate',
      stage('', 'mismatch: {}, errors: {against: control}'),
      ['9 unknown-key stages[0].gates.errors.against'],
    ],
    ['soak as a gate', stage('', 'mismatch: {}, soak: {limit: 1h}'), ['9 unknown-key stages[0].gates.soak']],
    ['version 2', head(HEAD.replace('version: 1', 'version: 2')), ['4 version-unsupported version']],
    ['no version', head(HEAD.replace('version: 1\n', '')), ['3 value-missing']],
    ['no stages', `\`\`\`yaml cutover\n${HEAD}\n\`\`\``, ['1 value-missing']],
    ['an empty list of stages', `\`\`\`yaml cutover\n${HEAD}\nstages: []\n\`\`\``, ['6 wrong-value stages']],
    ['a stage that is a text', block('  - shadow-all'), ['9 wrong-value stages[0]']],
    [
      'no name, no target',
      block(`${SHADOW}\n  - {shadow: 0%}\n${FULL}`),
      ['10 value-missing stages[1]', '10 value-missing stages[1]'],
    ],
    ['a name in capitals', block(SHADOW.replace('all', 'All')), ['9 wrong-value stages[0].name']],
    ['no sign', stage('control: 10'), ['9 percent-sign-missing stages[0].control']],
    ['no sign, quoted', stage('control: "10"'), ['9 percent-sign-missing stages[0].control']],
    [
      'no sign, a limit',
      stage('', 'mismatch: {limit: 0.01}'),
      ['9 percent-sign-missing stages[0].gates.mismatch.limit'],
    ],
    ['too fine', stage('control: 0.25%'), ['9 percent-step stages[0].control']],
    ['over 100 %', stage('control: 101%'), ['9 out-of-range stages[0].control']],
    ['below 0 %', stage('control: -1%'), ['9 out-of-range stages[0].control']],
    ['no share', stage('control: some'), ['9 wrong-value stages[0].control']],
    ['a limit of 0 %', stage('', 'mismatch: {limit: 0%}'), ['9 out-of-range stages[0].gates.mismatch.limit']],
    ['a limit of 50 %', stage('', 'mismatch: {limit: 50%}'), ['9 out-of-range stages[0].gates.mismatch.limit']],
    ['a ratio of 1', stage('', 'mismatch: {}, p50: {ratio: 1}'), ['9 out-of-range stages[0].gates.p50.ratio']],
    ['a ratio over 10', stage('', 'mismatch: {}, p95: {ratio: 10.1}'), ['9 out-of-range stages[0].gates.p95.ratio']],
    ['a ratio with a sign', stage('', 'mismatch: {}, p95: {ratio: 15%}'), ['9 wrong-value stages[0].gates.p95.ratio']],
    ['min-units 0', stage('', 'mismatch: {min-units: 0}'), ['9 out-of-range stages[0].gates.mismatch.min-units']],
    ['alpha 0', head(`${HEAD}\nalpha: 0`), ['8 out-of-range alpha']],
    ['alpha over 0.2', head(`${HEAD}\nalpha: 0.3`), ['8 out-of-range alpha']],
    ['a name twice', block(`${SHADOW}\n${FULL.replace('full', 'all')}`), ['10 stage-name-twice stages[1].name']],
    [
      'a falling target',
      block(`${SHADOW}\n  - {name: b, target: 50%}\n  - {name: c, target: 10%}\n${FULL}`),
      ['11 target-falls stages[2].target'],
    ],
    [
      'shadows of undeclared effects',
      stage(''),
      ['9 shadow-not-declared stages[0].shadow'],
      { ...FACTS, shadowable: false },
    ],
    ['mismatch without shadows', canary('mismatch: {}'), ['10 gate-not-here stages[1].gates.mismatch']],
    [
      'against control without controls',
      stage('', 'mismatch: {against: control}'),
      ['9 gate-not-here stages[0].gates.mismatch.against'],
    ],
    [
      'errors where nothing runs on target',
      block(`  - {name: z, target: 0%, gates: {errors: {}}}\n${SHADOW}`),
      ['9 gate-not-here stages[0].gates.errors'],
    ],
    [
      'p50 at 100 % without shadows',
      block(`${SHADOW}\n  - {name: b, target: 100%, gates: {p50: {}}}`),
      ['10 gate-not-here stages[1].gates.p50'],
    ],
    ['backlog at 0 %', stage('', 'mismatch: {}, backlog: {limit: 1m}'), ['9 gate-not-here stages[0].gates.backlog']],
    ['nothing is proven', stage('', 'mismatch: {rule: watch}, lost: {}'), ['8 prove-nothing stages']],
    ['deadline too short', head(`${HEAD}\ndeadline: 8m`), ['8 deadline-too-short deadline'], FACTS],
    ['a number for a duration', stage('min-soak: 3600'), ['9 wrong-value stages[0].min-soak']],
    ['soak over stay', stage('min-soak: 2d, max-stay: 1d'), ['9 soak-over-stay stages[0].min-soak']],
    ['soak under twice the deadline', stage('min-soak: 19m'), ['9 soak-under-deadline stages[0].min-soak'], FACTS],
    [
      'soak under twice the plan’s deadline',
      head(`${HEAD}\ndeadline: 13h`),
      ['10 soak-under-deadline stages[0]', '11 soak-under-deadline stages[1]'],
    ],
    ['key-day without a key', head(`${HEAD}\nunit: key-day`), ['8 key-missing unit'], { ...FACTS, hasKey: false }],
    [
      'key-day of a gate without a key',
      stage('', 'mismatch: {unit: key-day}'),
      ['9 key-missing stages[0].gates.mismatch.unit'],
      { ...FACTS, hasKey: false },
    ],
    ['an unknown migration', head(HEAD.replace('parse-email', 'parse-mail')), ['5 migration-unknown migration'], FACTS],
    ['another queue', head(HEAD.replace('bullmq', 'embedded')), ['7 wrong-value target'], FACTS],
    ['an unknown rule', stage('', 'mismatch: {rule: hope}'), ['9 wrong-value stages[0].gates.mismatch.rule']],
    ['a key of the prototype', head(`${HEAD}\nconstructor: 1`), ['8 unknown-key constructor']],
    [
      'a migration of the prototype',
      head(HEAD.replace('parse-email', 'constructor')),
      ['5 migration-unknown migration'],
      FACTS,
    ],
  ])('%s', (_, text, expected, facts) => expect(problems(text, facts)).toEqual(expected))

  it('tells every problem at once, in one error, in the order of lines', () => {
    const text = block(
      `  - {name: a, target: 10, shadow: 10%, gates: {mismatch: {limit: 60%}}}\n${FULL}`,
      `${HEAD}\nalpha: 2`,
    )
    const error = raised(() => parsePlan(text, FILE))
    expect(error.code).toBe('plan-invalid')
    expect(error.details).toMatchObject({ code: 'out-of-range', file: FILE, line: 8, path: 'alpha' })
    expect(error.message).toMatch(/^3 things are wrong:\n/)
    expect(error.message).toContain(
      `${FILE}:10: stages[0].target: is 10 without a sign; write 10%, or what you mean (percent-sign-missing)`,
    )
    expect(error.details['problems']).toHaveLength(3)
  })
  it('has a test for every code', () => {
    const source = readFileSync(new URL(import.meta.url), 'utf8')
    for (const code of PLAN_PROBLEMS) expect(source, code).toMatch(new RegExp(`[ ']${code}[ '\\]]`))
  })
  it('warns of a plan that does not end at 100 %', () => {
    const { problems: none, warnings, plans } = readPlans(block(SHADOW), FILE)
    expect(none).toEqual([])
    expect(plans).toHaveLength(1)
    expect(warnings.map(({ code, line }) => [code, line])).toEqual([['no-full-stage', 9]])
  })
  it('names the migration whose block is missing', () => {
    const error = raised(() => planOf(parsePlan(head(HEAD), FILE), 'thread-email', FILE))
    expect(error.message).toContain('migration: thread-email')
  })
})

describe('Markdown', () => {
  const plan = head(HEAD)
  it.each([
    ['CRLF and a byte order mark', `\uFEFF${plan.replaceAll('\n', '\r\n')}`],
    ['tildes', plan.replaceAll('```', '~~~')],
    ['an indented fence', plan.replace(/^(.+)$/gm, '  $1')],
    ['a longer fence', plan.replaceAll('```', '`````')],
    ['other code around it', `\`\`\`yaml\na: {\n\`\`\`\n${plan}\n\`\`\`sh\nls\n\`\`\`\n`],
    ['a plan in a comment before it', `<!--\n${plan}\n-->\n\n${plan}`],
    ['a plan in a longer fence before it', `\`\`\`\`markdown\n${plan}\n\`\`\`\`\n${plan}`],
  ])('%s', (_, text) => expect(parsePlan(text, FILE)).toEqual(parsePlan(plan, FILE)))
  it('holds several migrations', () => {
    const two = `${plan}\n${plan.replace('parse-email', 'thread-email')}`
    expect(parsePlan(two, FILE).map(({ migration }) => migration)).toEqual(['parse-email', 'thread-email'])
  })
})

describe('lint', () => {
  const codes = (plan: Plan, facts?: LintFacts): string[] =>
    lintPlan(plan, facts).map(({ code, stage }) => `${stage} ${code}`)
  const many = parsed(defaultPlan(NAMES))
  const few = parsed(defaultPlan({ ...NAMES, few: true }))
  const stages = (...list: string[]): Plan => parsed(block(list.map((text) => `  - {${text}}`).join('\n')))
  const proving = 'gates: {mismatch: {}}'

  it('has nothing to say of the default plan at 1,000 new keys a day', () => {
    expect(codes(many, { jobsLastWeek: 7000, keysLastWeek: 7000 })).toEqual([])
  })
  it('has nothing to say of the plan for few keys with 300 of them', () => {
    expect(codes(few, { jobsLastWeek: 7000, keysLastWeek: 300 })).toEqual([])
    expect(testsOf(few)).toBe(30)
  })
  it('says where 300 keys are too few for the default plan', () => {
    const found = lintPlan(many, { jobsLastWeek: 7000, keysLastWeek: 300 })
    expect(found.map(({ code, stage }) => `${stage} ${code}`)).toEqual([
      'shadow-all stage-slow',
      'canary-1 stage-slow',
      'canary-10 stage-slow',
      'canary-50 stage-slow',
      'full keys-too-few',
    ])
    expect(found[3]?.message).toContain('--keys few')
  })
  it('says how many days a stage would need', () => {
    const text = defaultPlan(NAMES).replace(
      'errors: {limit: 2%, rule: watch, min-units: 10}',
      'errors: {limit: 2%, rule: prove}',
    )
    const [warning, ...others] = lintPlan(parsed(text), { jobsLastWeek: 7000, keysLastWeek: 7000 })
    expect(others).toEqual([])
    expect(warning).toEqual({
      code: 'stage-slow',
      stage: 'canary-1',
      message:
        'stage canary-1 would need 27 days: to prove errors takes 268 keys, and the last week had 70 that count here',
    })
  })
  it('says that without traffic nothing ends', () => {
    expect(lintPlan(many, { jobsLastWeek: 0 })[0]?.message).toContain('would never end')
  })
  it.each<[string, Plan, string[]]>([
    [
      'a step beyond what is shadowed',
      stages(`name: a, target: 0%, shadow: 10%, ${proving}`, 'name: b, target: 20%', 'name: c, target: 100%'),
      ['b never-compared', 'c never-compared'],
    ],
    [
      'a step of what is shadowed',
      stages(
        `name: a, target: 0%, shadow: 20%, ${proving}`,
        'name: b, target: 20%, shadow: 100%',
        'name: c, target: 100%',
      ),
      [],
    ],
    [
      'everything was shadowed before',
      stages(`name: a, target: 0%, shadow: 100%, ${proving}`, 'name: b, target: 20%', 'name: c, target: 100%'),
      [],
    ],
    [
      'of what is left on legacy',
      stages(
        `name: a, target: 0%, shadow: 50%, ${proving}`,
        'name: b, target: 50%, shadow: 50%',
        'name: c, target: 75%',
        'name: d, target: 75.1%',
        'name: e, target: 75.1%',
      ),
      ['d never-compared'],
    ],
    [
      'a first stage on target',
      stages('name: a, target: 1%, gates: {errors: {}}', 'name: c, target: 1%'),
      ['a never-compared'],
    ],
  ])('%s', (_, plan, expected) => expect(codes(plan)).toEqual(expected))
  it('knows what each gate needs', () => {
    const needs = (name: string) => {
      const found = many.stages.find((each) => each.name === name)
      return found === undefined ? [] : stageNeeds(many, found).map((n) => [n.gate, n.units, n.unit, n.share])
    }
    expect(needs('shadow-all')).toEqual([
      ['mismatch', 418, 'key', 1],
      ['errors', expect.toSatisfy((n: number) => n >= 534 && n <= 536), 'key', 1],
      ['lost', 2099, 'job', 1],
      ['p50', 1500, 'key', 1],
      ['p95', 4000, 'key', 1],
    ])
    expect(needs('canary-10')[1]).toEqual(['errors', 268, 'key', 0.1])
    expect(needs('full').slice(1, 3)).toEqual([
      ['errors', 418, 'key', 1],
      ['lost', 4199, 'job', 1],
    ])
  })
})

describe.runIf(existsSync(fromRoot(FILE)))('the repository’s own plan', () => {
  it('is valid', () => {
    const { plans, problems: found } = readPlans(readFileSync(fromRoot(FILE), 'utf8'), FILE)
    expect(found).toEqual([])
    expect(plans.map(({ migration }) => migration)).toContain('parse-email')
  })
})
