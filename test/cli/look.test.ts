// Commands that only look, over a ledger in which something happened.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Cutover, openCutover } from '../../src/index.ts'
import { type Bed, bed, configOf, configText, until } from './kit.ts'

// biome-ignore lint/suspicious/noExplicitAny: the widest one
type AnyCutover = Cutover<any, any, any, any, any, any>

let place: Bed
let app: AnyCutover
const ids: string[] = []

beforeAll(async () => {
  place = bed()
  place.write('cutover.config.ts', configText(place))
  place.write('flags.yaml', 'parse-email: { target: 0%, shadow: 100% }\n')
  const cutover = await openCutover(configOf(place), { by: 'the-app' })
  app = cutover as AnyCutover
  for (const side of ['legacy', 'target'] as const) {
    await cutover.work('parse-email', side, async (mail, ctx) => {
      if (mail.text === 'broken') throw new Error('cannot parse, see redis://:hunter2@db.example/1')
      await ctx.effect('store', { id: mail.id }, () => 'stored')
      const length = ctx.side === 'target' && mail.text === 'odd' ? mail.text.length + 1 : mail.text.length
      return { length, note: '\u001b[31mred' }
    })
  }
  for (const text of ['plain', 'odd', 'broken']) {
    const mail = { id: `mail-${text}`, from: `${text}@example.org`, text }
    ids.push((await cutover.enqueue('parse-email', mail)).id)
  }
  await until('all pairs are compared', async () => {
    const report = await cutover.report('parse-email')
    return report.migrations[0]?.comparisons.compared === 3
  })
})

afterAll(async () => {
  await app?.close()
  place?.remove()
})

const [plain, odd, broken] = [() => ids[0] as string, () => ids[1] as string, () => ids[2] as string]

describe('status', () => {
  test('a screenful: dials, flag, latch, epoch, workers and counts', async () => {
    const { code, stdout, stderr } = await place.cli('status')
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toMatch(/dials +target 0% {2}shadow 100% {2}control 0%/)
    expect(stdout).toMatch(/flag +ok \(file .*flags\.yaml/)
    expect(stdout).toMatch(/latch +off/)
    expect(stdout).toMatch(/producers +1 live/)
    expect(stdout).toMatch(
      /legacy +1 worker \(version 1\) {2}1 shadow worker {2}waiting 0 {2}running 0 {2}done 2 {2}failed 1/,
    )
    expect(stdout).toMatch(/pairs +matched 2 {2}mismatched 1/)
    expect(stdout.split('\n').length).toBeLessThan(24)
  })

  test('as JSON', async () => {
    const { code, value } = await place.json('status', 'parse-email')
    expect(code).toBe(0)
    expect(value.migrations).toHaveLength(1)
    expect(value.migrations[0]).toMatchObject({
      name: 'parse-email',
      dials: { target: 0, shadow: 1, control: 0 },
      flag: { state: 'ok', reading: 'dials', writable: true },
      latch: { set: false },
      jobs: { enqueued: 3, done: 2, failed: 1, lost: 0, twice: 0 },
      comparisons: { matched: 2, mismatched: 1 },
    })
    expect(value.migrations[0].processes).toMatchObject([{ produces: true, works: { legacy: '1', target: '1' } }])
  })

  test('a migration that is not there: exit code 2, and those that are', async () => {
    const { code, stderr } = await place.cli('status', 'parse-emial')
    expect(code).toBe(2)
    expect(stderr).toMatch(/no migration "parse-emial".*parse-email/)
  })

  test('looking leaves no trace of a process', async () => {
    const { value } = await place.json('flag', 'get')
    expect(value.processes).toHaveLength(1)
  })
})

describe('report', () => {
  test('text, Markdown and JSON say the same', async () => {
    const text = await place.cli('report', 'parse-email')
    expect(text.code).toBe(0)
    expect(text.stdout).toContain('/result/length')
    const md = await place.cli('report', '--format', 'md')
    expect(md.stdout).toContain('## `parse-email`')
    const { value } = await place.json('report')
    expect(value).toMatchObject({
      schema: 'cutover-report/1',
      migrations: [{ name: 'parse-email', jobs: { enqueued: 3 } }],
    })
    const format = await place.cli('report', '--format', 'json')
    expect(JSON.parse(format.stdout).schema).toBe('cutover-report/1')
  })

  test('into a file', async () => {
    const { code, stdout } = await place.cli('report', '--format', 'md', '-o', 'out/report.md')
    const path = join(place.folder, 'out/report.md')
    expect({ code, stdout }).toEqual({ code: 0, stdout: `written to ${path}\n` })
    expect(readFileSync(path, 'utf8')).toContain('## `parse-email`')
    const { value } = await place.json('report', '-o', 'out/report.json')
    expect(value).toEqual({ written: join(place.folder, 'out/report.json'), format: 'json' })
    expect(JSON.parse(readFileSync(join(place.folder, 'out/report.json'), 'utf8')).schema).toBe('cutover-report/1')
  })

  test('a file that cannot be written is an error', async () => {
    const { code, stderr } = await place.cli('report', '-o', 'cutover.config.ts/x')
    expect(code).toBe(1)
    expect(stderr).toContain('cannot be written')
  })
})

describe('mismatches', () => {
  test('each difference with both values', async () => {
    const { code, stdout } = await place.cli('mismatches')
    expect(code).toBe(0)
    expect(stdout).toContain(`job ${odd()}  1 difference`)
    expect(stdout).toMatch(/\/result\/length {2}value\n {4}legacy {2}3\n {4}target {2}4\n/)
  })

  test('one job, with and without the name of the only migration', async () => {
    for (const argv of [[odd()], ['parse-email', odd()]]) {
      const { code, value } = await place.json('mismatches', ...argv)
      expect(code).toBe(0)
      expect(value).toMatchObject({ migration: 'parse-email', kept: 1, samples: [{ id: odd(), which: 'pair' }] })
      expect(value.samples[0].comparison.differences).toEqual([
        { path: '/result/length', kind: 'value', legacy: 3, target: 4 },
      ])
    }
  })

  test('a job that matched, and one that nobody knows', async () => {
    const { value } = await place.json('mismatches', plain())
    expect(value).toMatchObject({ kept: 0, verdict: 'matched' })
    const unknown = await place.json('mismatches', 'nobody')
    expect(unknown).toMatchObject({ code: 1, value: { error: { code: 'job-unknown' } } })
  })

  test('none among the controls', async () => {
    const { stdout } = await place.cli('mismatches', '--controls')
    expect(stdout).toBe('parse-email: no mismatch is kept\n')
  })
})

describe('job', () => {
  test('a done one: its runs, effects by name, no values', async () => {
    const { code, stdout } = await place.cli('job', plain())
    expect(code).toBe(0)
    expect(stdout).toContain('done on legacy')
    expect(stdout).toMatch(/route +legacy-shadowed \(flag\)/)
    expect(stdout).toContain('effects: store')
    expect(stdout).toMatch(/comparison +matched/)
    expect(stdout).toMatch(/primary {2}legacy {2}absent|primary {2}legacy {2}completed/)
    expect(stdout).not.toContain('mail-plain')
  })

  test('a failed one: its error, without secrets', async () => {
    const { code, value } = await place.json('job', 'parse-email', broken())
    expect(code).toBe(0)
    expect(value).toMatchObject({ state: 'failed', comparison: 'matched', error: { name: 'Error' } })
    expect(value.error.message).toBe('cannot parse, see redis://***@db.example/1')
    expect(value.runs[0]).toMatchObject({ arm: 'primary', side: 'legacy', ok: false, effects: [] })
    expect(value.places.map((each: { arm: string }) => each.arm)).toEqual(['primary', 'shadow'])
  })

  test('the ledger alone', async () => {
    const { value } = await place.json('job', odd(), '--ledger-only')
    expect(value.places).toEqual([])
    expect(value.mismatches).toHaveLength(1)
  })

  test('no id, no such job', async () => {
    expect(await place.json('job')).toMatchObject({ code: 2, value: { error: { code: 'usage' } } })
    expect(await place.json('job', 'parse-email')).toMatchObject({ code: 2, value: { error: { code: 'usage' } } })
    expect(await place.json('job', 'nobody')).toMatchObject({ code: 1, value: { error: { code: 'job-unknown' } } })
  })

  test('where errors are redacted in differences they are here too', async () => {
    const other = 'redacting.config.ts'
    place.write(other, configText(place, { migration: "compare: { redact: ['/note'] }," }))
    const { value } = await place.json('job', broken(), '--config', other)
    expect(value.error.message).toBe('[redacted]')
    expect(value.runs[0].error.message).toBe('[redacted]')
  })
})

describe('explain', () => {
  test('the route that the library itself gives, and why', async () => {
    for (const key of ['a@example.org', 'b@example.org', '']) {
      const { code, value } = await place.json('explain', '--key', key)
      const expected = await app.explain('parse-email', key)
      expect(code).toBe(0)
      expect(value).toMatchObject({ route: expected.route, reason: expected.reason, position: expected.position })
    }
  })

  test('in words', async () => {
    const { stdout } = await place.cli('explain', 'parse-email', '--key', 'kim@example.org')
    expect(stdout).toContain('legacy-shadowed: the flag says so (flag)')
    expect(stdout).toMatch(/position +\d+ of 1000; none is on target/)
  })
})

describe('history', () => {
  test('newest first, with who', async () => {
    const { code, value } = await place.json('history', '--limit', '2')
    expect(code).toBe(0)
    expect(value.entries).toHaveLength(2)
    expect(value.entries[0]).toMatchObject({ action: 'epoch', by: 'the-app' })
    const { stdout } = await place.cli('history', 'parse-email')
    expect(stdout).toMatch(/UTC {2}epoch +the-app/)
  })
})

describe('flag get', () => {
  test('dials, health, and who has applied them', async () => {
    const { code, value } = await place.json('flag', 'get', 'parse-email')
    expect(code).toBe(0)
    expect(value).toMatchObject({
      dials: { target: 0, shadow: 1, control: 0 },
      flag: { name: 'parse-email', state: 'ok' },
      ledger: 'ok',
      processes: [{ applied: true, produces: true }],
    })
    const { stdout } = await place.cli('flag', 'get')
    expect(stdout).toMatch(/applied .*:\d+ {2}produces, works on legacy \(version 1\)/)
  })
})

test('colours on a terminal only', async () => {
  const { call } = await import('./kit.ts')
  const colour = await call(['status'], { cwd: place.folder, isTTY: true })
  expect(colour.stdout).toContain('\u001b[')
  const quiet = await call(['status'], { cwd: place.folder, isTTY: true, env: { NO_COLOR: '1' } })
  expect(quiet.stdout).not.toContain('\u001b[')
  const json = await call(['status', '--json'], { cwd: place.folder, isTTY: true })
  expect(JSON.parse(json.stdout).migrations).toHaveLength(1)
})
