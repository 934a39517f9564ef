// Do the pages of `docs/` say what is there: every error code, every option, every capability, every link?

import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { fileFlags } from '../../adapters/flags/file/index.ts'
import { flagdFlag } from '../../adapters/flags/openfeature/words.ts'
import { UNLEASH_DOUBTS } from '../../adapters/flags/unleash/index.ts'
import { redisLedger } from '../../adapters/ledgers/redis/index.ts'
import { beeQueue } from '../../adapters/queues/bee-queue/index.ts'
import { bullmq } from '../../adapters/queues/bullmq/index.ts'
import { embeddedQueue } from '../../adapters/queues/embedded/index.ts'
import { resolveMigration, resolveNamespace } from '../../src/config/resolve.ts'
import { type CutoverConfig, type } from '../../src/config/types.ts'
import type { Capabilities, CapabilityName } from '../../src/ports/queue.ts'
import { parseDuration } from '../../src/vocabulary/duration.ts'
import { plain, tablesOf, tableUnder } from './markdown.ts'

const ROOT = join(import.meta.dirname, '../..')
const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8')

describe('docs/errors.md', () => {
  const source = read('src/vocabulary/errors.ts')
  const union = source.slice(source.indexOf('export type CutoverErrorCode'), source.indexOf('/** Plain, printable'))
  const codes = [...union.matchAll(/\| '([a-z-]+)'/g)].map(([, code]) => code as string)
  const rows = tablesOf(read('docs/errors.md')).flat()

  test('has every code once, and no other', () => {
    expect(codes.length).toBeGreaterThan(30)
    expect(rows.map(([code = '']) => plain(code)).toSorted()).toEqual(codes.toSorted())
  })

  test('every code is thrown or kept somewhere', () => {
    const files = globSync(['src/**/*.ts', 'adapters/**/*.ts'], { cwd: ROOT })
    const all = files.filter((file) => !file.endsWith(join('vocabulary', 'errors.ts'))).map(read)
    expect(codes.filter((code) => !all.some((text) => text.includes(`'${code}'`)))).toEqual([])
  })

  test('says of each why and what to do', () => {
    for (const row of rows) {
      expect(row, row[0]).toHaveLength(3)
      expect(row[1]?.length, row[0]).toBeGreaterThan(20)
    }
  })
})

/** A configuration that is right, but for what is given. */
function config(migration: object = {}): CutoverConfig {
  const least = { payload: type(), legacy: embeddedQueue({ queue: 'a' }), target: embeddedQueue({ queue: 'b' }) }
  const parts = { ledger: redisLedger({ url: 'redis://localhost' }), flags: fileFlags() }
  return { ...parts, migrations: { a: { ...least, ...migration } } }
}

/** The options that a refusal lists. */
function allowedBy(refused: () => unknown): string[] {
  try {
    refused()
  } catch (error) {
    const [, list] = /allowed: (.+)$/.exec((error as Error).message) ?? []
    return (list ?? '').split(', ')
  }
  throw new Error('nothing was refused')
}

describe('docs/config.md', () => {
  const page = read('docs/config.md')
  const top = tableUnder(page, 'The whole')
  const migration = tableUnder(page, 'A migration')
  const names = (rows: readonly (readonly string[])[]) => rows.map(([name = '']) => plain(name)).toSorted()

  test('has every option of the whole', () => {
    const unknown = { ...config(), nonsense: 1 } as unknown as CutoverConfig
    expect(names(top)).toEqual(allowedBy(() => resolveNamespace(unknown)).toSorted())
  })

  test('has every option of a migration', () => {
    expect(names(migration)).toEqual(allowedBy(() => resolveMigration(config({ nonsense: 1 }), 'a')).toSorted())
  })

  test('has the defaults', () => {
    const said = new Map(migration.map(([name = '', value = '']) => [plain(name), plain(value).replaceAll("'", '')]))
    const ms = (name: string) => parseDuration(said.get(name), name)
    const settings = resolveMigration(config(), 'a')
    expect(settings.timeoutMs).toBe(ms('timeout'))
    expect(settings.leaseMs).toBe(ms('lease'))
    expect(settings.ledger.retainMs).toBe(ms('retain'))
    expect(settings.ledger.deadlineMs).toBe(ms('waitAllowance') + ms('timeout'))
    expect(said.get('tally')).toBe(`{ bucket: ${settings.ledger.bucketMs / 1000}s, slack: 15s }`)
    expect(settings.ledger.slackMs).toBe(15_000)
    expect(String(settings.attempts)).toBe(said.get('attempts'))
    expect(settings.maxStarts - settings.attempts).toBe(5)
    expect(String(settings.shadowBacklog)).toBe(said.get('shadowBacklog'))
    expect(settings.shadowable).toBe(said.get('shadow') !== 'off')
    expect(settings.flagKind).toBe(said.get('flagKind'))
    expect(settings.whenLedgerIsGone).toBe(said.get('whenLedgerIsGone'))
    expect(settings.backoff).toBe(undefined)
  })
})

/** The names in `export interface NAME { … }`. */
function fieldsOf(file: string, name: string): string[] {
  const body = read(file).split(`export interface ${name} {`)[1]?.split('\n}')[0] ?? ''
  return [...body.matchAll(/^ {2}readonly (\w+)\??:/gm)].map(([, field]) => field as string)
}

describe('docs/queues.md', () => {
  const page = read('docs/queues.md')
  const adapters: Readonly<Record<string, Capabilities>> = {
    embedded: embeddedQueue({ queue: 'a' }).capabilities,
    'bee-queue': beeQueue({ queue: 'a' }).capabilities,
    bullmq: bullmq({ queue: 'a' }).capabilities,
  }
  const table = new Map(tableUnder(page, 'What each can do').map(([name = '', ...cells]) => [plain(name), cells]))

  test.each(Object.entries(adapters))('has the capabilities of %s', (adapter, capabilities) => {
    const column = Object.keys(adapters).indexOf(adapter)
    const shown = (value: Capabilities[CapabilityName]) =>
      value === true ? 'yes' : value === false ? 'no' : String(value)
    const said = Object.fromEntries([...table].map(([name, cells]) => [name, cells[column]]))
    expect(said).toEqual(Object.fromEntries(Object.entries(capabilities).map(([name, value]) => [name, shown(value)])))
  })

  test.each([
    { page: 'queues', heading: '`embeddedQueue`', file: 'queues/embedded', options: 'EmbeddedQueueOptions' },
    { page: 'queues', heading: '`beeQueue`', file: 'queues/bee-queue', options: 'BeeQueueOptions' },
    { page: 'queues', heading: '`bullmq`', file: 'queues/bullmq', options: 'BullmqOptions' },
    { page: 'ledgers', heading: '`sqliteLedger`', file: 'ledgers/sqlite', options: 'SqliteLedgerOptions' },
    { page: 'ledgers', heading: '`redisLedger`', file: 'ledgers/redis', options: 'RedisLedgerOptions' },
    {
      page: 'unleash',
      heading: '`unleashFlags`',
      file: 'flags/unleash',
      options: 'UnleashFlagsOptions',
      in: 'options',
    },
    {
      page: 'openfeature',
      heading: '`openFeatureFlags`',
      file: 'flags/openfeature',
      options: 'OpenFeatureFlagsOptions',
      in: 'options',
    },
  ])('$page: every option of $heading', ({ page: name, heading, file, options, in: module = 'index' }) => {
    const documented = tableUnder(read(`docs/${name}.md`), heading).map(([option = '']) => plain(option))
    const fields = fieldsOf(`adapters/${file}/${module}.ts`, options)
    expect(fields.length).toBeGreaterThan(1)
    expect(documented.toSorted()).toEqual(fields.toSorted())
  })
})

describe('docs/openfeature.md', () => {
  test('its flag of flagd is what `flag set` prints', () => {
    const [, text = ''] = /```json\n([\s\S]*?)```/.exec(read('docs/openfeature.md')) ?? []
    expect(JSON.parse(text)).toEqual({ flags: { 'parse-email': flagdFlag({ target: 0.1, shadow: 1 }) } })
  })
})

describe('docs/unleash.md', () => {
  test('has the table of doubts, word for word', () => {
    const rows = tableUnder(read('docs/unleash.md'), 'Doubts').map((row) => row.map(plain))
    const table = UNLEASH_DOUBTS.map(({ id, what, reason, fix }) => [id, what, reason, fix])
    expect(rows).toEqual(table)
  })
})

describe('migration-plan.md', () => {
  const plans = [...read('migration-plan.md').matchAll(/^```yaml cutover\n([\s\S]*?)^```$/gm)].map(([, text = '']) =>
    parse(text, { strict: true }),
  )

  test('has one block for each migration of the demo', () => {
    expect(plans.map(({ migration }) => migration)).toEqual(['parse-email', 'thread-email'])
  })

  test.each(plans.map((plan) => [plan.migration as string, plan] as const))(
    '%s fits its configuration',
    async (name, plan) => {
      const { default: demo } = await import('../../examples/email-agent/cutover.config.ts')
      const settings = resolveMigration(demo as unknown as CutoverConfig, name)
      expect([plan.legacy, plan.target]).toEqual([settings.legacy.kind, settings.target.kind])
      expect(parseDuration(plan.deadline, 'deadline')).toBeGreaterThanOrEqual(settings.ledger.deadlineMs)
      const shares = plan.stages.map((stage: { target: string }) => Number(stage.target.replace('%', '')))
      expect(shares).toEqual(shares.toSorted((a: number, b: number) => a - b))
      expect(shares.at(-1)).toBe(100)
      for (const stage of plan.stages) {
        expect(parseDuration(stage['min-soak'] ?? '24h', 'min-soak')).toBeGreaterThanOrEqual(
          2 * parseDuration(plan.deadline, ''),
        )
      }
    },
  )
})

describe('links', () => {
  const pages = ['README.md', 'migration-plan.md', 'CONTRIBUTING.md', ...globSync('docs/**/*.md', { cwd: ROOT })]

  test.each(pages)('%s leads somewhere', (page) => {
    const targets = [...read(page).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target as string)
    for (const target of targets.filter((link) => !/^https?:/.test(link))) {
      const [path = '', anchor] = target.split('#')
      const file = path === '' ? join(ROOT, page) : join(ROOT, dirname(page), path)
      expect(existsSync(file), target).toBe(true)
      if (anchor === undefined) continue
      const headings = [...readFileSync(file, 'utf8').matchAll(/^#+ (.+)$/gm)].map(([, text = '']) =>
        text
          .toLowerCase()
          .replace(/[^\p{L}\p{N} -]/gu, '')
          .replaceAll(' ', '-'),
      )
      expect(headings, target).toContain(anchor)
    }
  })

  test('every page is reached from the README or from a page of its folder', () => {
    const all = pages.map((page) => read(page)).join('\n')
    const alone = globSync('docs/*.md', { cwd: ROOT }).filter((page) => !all.includes(page.replace(/^docs[\\/]/, '')))
    expect(alone).toEqual([])
  })
})
