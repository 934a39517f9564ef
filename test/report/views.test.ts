// Text, Markdown, JSON and HTML say the same numbers, and foreign text can do nothing in any of them.

import { stripVTControlCharacters } from 'node:util'
import { describe, expect, test } from 'vitest'
import { buildReport, type LedgerSnapshot } from '../../src/report/build.ts'
import { formatCount, formatShare, formatTime } from '../../src/report/format.ts'
import { htmlReport } from '../../src/report/html.ts'
import { jsonReport } from '../../src/report/json.ts'
import { markdownReport } from '../../src/report/markdown.ts'
import type { MigrationReport, ReportModel } from '../../src/report/model.ts'
import { textReport } from '../../src/report/text.ts'
import { type DriveRecord, recordJson } from '../../src/rollout/drive/record.ts'
import { histogram, type Pair, pairTimes as pairTimesOf } from '../rollout/kit.ts'
import { ATTACKED, BUSY, CLEAN, EMPTY, HOSTILE, huge } from '../support/report-cases.ts'
import { full } from '../support/report-full.ts'
import { START } from '../support/snapshots.ts'

const modelOf = (...ledgerSnapshots: LedgerSnapshot[]): ReportModel => {
  return buildReport({ ledgerSnapshots, at: START + 3_600_000 })
}

/** Rows of the printed tables, by their first cell: `done` → `['9,302', '3,085', '12,387']`. */
function textRows(text: string): Map<string, string[]> {
  const rows = new Map<string, string[]>()
  for (const line of text.split('\n')) {
    const [label = '', ...cells] = line.trim().split(/ {2,}/)
    if (!rows.has(label)) rows.set(label, cells)
  }
  return rows
}

function markdownRows(markdown: string): Map<string, string[]> {
  const rows = new Map<string, string[]>()
  for (const line of markdown.split('\n')) {
    if (!line.startsWith('| ')) continue
    const [label = '', ...cells] = line.slice(2, -2).split(' | ')
    const name = label.replaceAll('`', '').trim()
    if (!rows.has(name))
      rows.set(
        name,
        cells.map((cell) => cell.replaceAll('`', '').trim()).filter((cell) => cell !== ''),
      )
  }
  return rows
}

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'" }
function unescaped(html: string): string {
  return html.replace(/&([a-z]+|#39);/g, (whole, name: string) => ENTITIES[name] ?? whole)
}

function htmlRows(page: string): Map<string, string[]> {
  const rows = new Map<string, string[]>()
  const body = page.slice(page.indexOf('</head>'), page.indexOf('How each number is computed</h2>'))
  for (const [, part, row = ''] of body.matchAll(/<tr( class="part")?[^>]*>([\s\S]*?)<\/tr>/g)) {
    const [label = '', ...cells] = [...row.matchAll(/<t[hd][^>]*>([\s\S]*?)<\/t[hd]>/g)].map(([, cell = '']) =>
      unescaped(cell.replace(/<[^>]+>/g, '')),
    )
    const name = part === undefined ? label : `· ${label}`
    if (!rows.has(name))
      rows.set(
        name,
        cells.filter((cell) => cell !== ''),
      )
  }
  return rows
}

const number = (text: string | undefined): number => Number(text?.replaceAll(',', ''))

/** Numbers in which a view must agree with the model, by the label of their row. */
function expected({ jobs, sides, comparisons, noise }: MigrationReport): Record<string, number[]> {
  const perSide = (key: 'enqueued' | 'done' | 'failed' | 'waiting' | 'running' | 'inDoubt' | 'lost' | 'adopted') => {
    return [sides.legacy[key], sides.target[key], jobs[key]]
  }
  return {
    ...{ enqueued: perSide('enqueued'), done: perSide('done'), failed: perSide('failed') },
    ...{ waiting: perSide('waiting'), running: perSide('running'), '· in doubt': perSide('inDoubt') },
    ...{ '· lost': perSide('lost'), 'done twice': [jobs.twice], adopted: perSide('adopted') },
    ...{ '· overdue': [jobs.overdue], 'ended late': [jobs.late] },
    ...{ wanted: [comparisons.shadowed, noise.wanted], matched: [comparisons.matched, noise.matched] },
    ...{ mismatched: [comparisons.mismatched, noise.mismatched], ignored: [comparisons.ignored, noise.ignored] },
    ...{ orphaned: [comparisons.orphaned, noise.orphaned], shed: [comparisons.shed, noise.shed] },
    ...{ open: [comparisons.open, noise.open] },
  }
}

const page = await htmlReport(modelOf(BUSY))

/** As `full`, in a stage whose gates judge `n` pairs. */
function paired(n = 900): LedgerSnapshot {
  const made = full()
  const record = made.drive?.record as unknown as DriveRecord
  const { epoch = 0, plan } = record
  const stage = plan.stages.find(({ name }) => name === 'shadow-all')
  if (stage === undefined) throw new Error('no stage with pairs')
  const pairs = Array.from({ length: n }, (_, at): Pair => [1480 + (at % 90), 1476 + (at % 90) + (at % 11)])
  const times = [stage.gates.p50, stage.gates.p95].map((gate) => gate?.ratio ?? Number.NaN)
  const pairTimes = times.map((ratio) => ({
    ...{ legacy: histogram(pairs.map(([legacy]) => legacy)), ...pairTimesOf(pairs, 0.5, ratio).differences },
    ...{ epoch, family: 'of-key' as const, ratio },
  }))
  const drive = { revision: 7, driven: true, record: recordJson({ ...record, stage: stage.name }) }
  return { ...made, drive, snapshot: { ...made.snapshot, pairTimes } }
}

describe('the views agree', () => {
  const model = modelOf(BUSY)
  const json = JSON.parse(jsonReport(model)) as ReportModel
  const [migration] = json.migrations
  if (migration === undefined) throw new Error('no migration')

  test('JSON is the model', () => {
    expect(json).toEqual(model)
  })

  test.each([
    ['text', textRows(textReport(model))],
    ['Markdown', markdownRows(markdownReport(model))],
    ['HTML', htmlRows(page)],
  ])('%s', (_, rows) => {
    for (const [label, numbers] of Object.entries(expected(migration))) {
      expect([label, rows.get(label)?.map(number)]).toEqual([label, numbers])
    }
    expect(rows.get('run, legacy')?.[0]).toBe('9,290')
    expect(rows.get('differ')).toEqual(['18.4 %', '0.32 %'])
  })

  test.each([
    ['a migration with everything', modelOf(BUSY)],
    ['a staged one', modelOf(full())],
  ])('%s: every row that one prints, the others print too, with the same numbers', async (_, model) => {
    const [text, markdown] = [textRows(textReport(model, { width: 200 })), markdownRows(markdownReport(model))]
    const html = htmlRows(await htmlReport(model))
    const [only] = model.migrations
    const elsewhere = new Set([
      ...(only?.rollout?.stages ?? []).map(({ name }) => name),
      ...(only?.mcp ?? []).map(({ server }) => server),
    ])
    let compared = 0
    for (const [label, cells] of markdown) {
      if (!cells.some((cell) => /\d/.test(cell))) continue
      // changes and steps have other columns on the page, stages are a list and MCP servers a matrix there
      if (label === '' || /^\d{4}-/.test(label) || elsewhere.has(label)) continue
      compared += 1
      expect([label, text.get(label)]).toEqual([label, cells])
      expect([label, html.get(label)]).toEqual([label, cells])
    }
    expect(compared).toBeGreaterThan(35)
  })

  test.each([
    ['two sides', full()],
    ['pairs', paired()],
  ])('every view tells the intervals of p50 and p95: %s', async (_, snapshot) => {
    const model = modelOf(snapshot)
    const gates = (JSON.parse(jsonReport(model)) as ReportModel).migrations[0]?.rollout?.gates
    const views = [
      textRows(textReport(model, { width: 200 })),
      markdownRows(markdownReport(model)),
      htmlRows(await htmlReport(model)),
    ]
    for (const name of ['p50', 'p95']) {
      const interval = gates?.find((gate) => gate.name === name)?.interval
      if (interval == null) throw new Error(`${name} has no interval`)
      for (const rows of views) {
        const [, lower, upper] = / ?([\d.]+) – ([\d.]+) ×$/.exec(rows.get(name)?.[2] ?? '') ?? []
        expect(interval.lower - Number(lower)).toBeCloseTo(0, 2)
        expect(Number(upper) - interval.upper).toBeCloseTo(0, 2)
        // rounded outwards
        expect(Number(lower)).toBeLessThanOrEqual(interval.lower + 1e-8)
        expect(Number(upper)).toBeGreaterThanOrEqual(interval.upper - 1e-8)
      }
    }
  })

  test('every view says where there are too few times for an interval', async () => {
    const model = modelOf(paired(12))
    const gates = model.migrations[0]?.rollout?.gates
    expect(gates?.find(({ name }) => name === 'p95')).toMatchObject({ interval: null, units: 12 })
    for (const rows of [
      textRows(textReport(model, { width: 200 })),
      markdownRows(markdownReport(model)),
      htmlRows(await htmlReport(model)),
    ]) {
      expect(rows.get('p95')?.[2]).toBe('too few yet')
    }
  })

  test('the page tells every stage, every step and every gate', async () => {
    const staged = modelOf(full())
    const page = await htmlReport(staged)
    const rollout = staged.migrations[0]?.rollout
    const told = page.slice(page.indexOf('>Staged cutover</h2>'), page.indexOf('>Over time</h2>'))
    for (const { name, state } of rollout?.stages ?? []) {
      expect(told).toContain(`<li class="${state}"${state === 'current' ? ' aria-current="step"' : ''}><b><bdi>${name}`)
    }
    expect(rollout?.stages.length).toBe(6)
    for (const { at } of rollout?.timeline ?? []) expect(told).toContain(formatTime(at))
    for (const { name, verdict } of rollout?.gates ?? []) {
      expect(told).toMatch(new RegExp(`<tr class="${verdict}"><th scope="row" class="t( f)?">(<bdi>)?${name}`))
    }
    expect(told).toContain('Evidence of the gates over time')
    const judged = rollout?.gates.filter(({ evidenceFor }) => evidenceFor !== null) ?? []
    expect(judged.map(({ name }) => name)).toEqual(['mismatch', 'errors', 'lost', 'p50', 'p95'])
    const last = judged.map(({ name, evidenceFor, evidenceAgainst }) => ({ name, evidenceFor, evidenceAgainst }))
    expect(rollout?.trend.at(-1)?.gates).toEqual(last)
    expect(rollout?.trendLevels).toEqual({ passAt: judged[0]?.passAt, failAt: judged[0]?.failAt })
    const plot = told.slice(told.indexOf('Evidence of the gates over time'))
    for (const { name } of judged) expect(plot).toContain(`${name}: evidence, watched`)
  })

  test('the page tells of every MCP server where it is reached, and where it hangs', async () => {
    const staged = modelOf(full())
    const page = await htmlReport(staged)
    const told = page.slice(page.indexOf('>MCP servers</h2>'), page.indexOf('>Not counted by the gates</h2>'))
    for (const { server, places, text } of staged.migrations[0]?.mcp ?? []) {
      const [, row = ''] = new RegExp(`<bdi>${server}</bdi>([\\s\\S]*?)</tr>`).exec(told) ?? []
      const states = [...row.matchAll(/<td class="t mcp ([a-z-]+)">/g)].map(([, state]) => state)
      expect(states).toEqual([places.baseline.state, places.legacy.state, places.target.state])
      expect(unescaped(row)).toContain(text)
    }
    expect(told).toContain('the worker waits in spawn for a child that has not called exec')
    expect(told).toContain('spawn</bdi> 30 s failed')
    expect(told).toMatch(/missing on target<\/strong>: <code><bdi>create_issue/)
  })

  test('HTML prints every difference with its count and its share', () => {
    for (const { count, share, path } of migration.differences) {
      const name = path === '…' ? 'further fields' : path
      const at = page.indexOf(`<span class="path">${name === path ? `<bdi>${name}` : name}`)
      expect(page.slice(at, at + 400)).toContain(`<strong>${formatCount(count)}</strong> pairs, ${formatShare(share)}<`)
    }
  })

  test('both print every difference with its count, its share and both values', () => {
    const text = textReport(model)
    const markdown = markdownReport(model)
    expect(text).toMatch(
      /412 {2}13\.4 % {5}0 % {2}value {4}\/result\/text {2}job mail-1\n +legacy {2}"a\\n"\n +target {2}"a"\n/,
    )
    expect(text).toMatch(
      /98 {3}3\.2 % .*missing {2}\/result\/name {2}job mail-17\n +legacy {2}"Übersicht.pdf"\n +target {2}\(not there\)/,
    )
    expect(markdown).toContain('@@ /result/text @@ value, 412 pairs, 13.4 %, noise 0 %, job mail-1\n- "a\\n"\n+ "a"\n')
    expect(markdown).toContain('@@ /result/date @@ type, 62 pairs, 2 %, noise 0.32 %, job mail-18\n')
  })
})

describe('text', () => {
  test('the first line answers; colours only when asked', () => {
    const text = textReport(modelOf(BUSY))
    expect(text.split('\n')[0]).toMatch(/^LOOK {4}parse-email: 12,415 jobs, none lost, none done twice, .* differ$/)
    const coloured = textReport(modelOf(BUSY), { colours: true })
    expect(coloured).toContain('\u001b[33m')
    expect(stripVTControlCharacters(coloured)).toBe(text)
  })

  test('several migrations: all answers in the first lines', () => {
    const lines = textReport(modelOf(CLEAN, EMPTY)).split('\n')
    expect(lines[0]).toMatch(/^OK {6}parse-email: 1,200 jobs/)
    expect(lines[1]).toBe('OK      thread-email: no jobs yet')
  })

  test('an empty migration and an empty ledger read well', () => {
    expect(textReport(modelOf(EMPTY))).toBe(
      [
        'OK      thread-email: no jobs yet',
        '        target 0 %, shadow 0 %, control 0 % · flag unknown · no live process',
        '        counted since 2026-11-22 14:00:00 UTC · as of 2026-11-22 15:00:00 UTC',
        '',
        'How each number is computed: docs/report.md of cutover unknown',
        '',
      ].join('\n'),
    )
    expect(textReport(modelOf())).toBe('No migration has a ledger yet (2026-11-22 15:00:00 UTC).\n')
    expect(markdownReport(modelOf(EMPTY))).toContain('no jobs yet')
  })

  test('no trailing blanks, nothing wider than the terminal', () => {
    const text = textReport(modelOf(huge()), { width: 90 })
    for (const line of text.split('\n')) {
      expect(line).toBe(line.trimEnd())
      if (/^ +(legacy|target) {2}/.test(line)) expect([...line].length).toBeLessThanOrEqual(90)
    }
  })

  test('the most frequent 20 differences, and how many more', () => {
    for (const view of [textReport(modelOf(huge())), markdownReport(modelOf(huge()))]) {
      expect(view.match(/job job-1/g)).toHaveLength(20)
      expect(view).toContain('/result/f9999')
      expect(view).toContain('and 9,980 more')
    }
  })
})

// What a terminal acts on or hides.
const ACTIVE = /(?![\n])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u

describe('foreign text', () => {
  const model = modelOf(ATTACKED)

  test.each([
    ['text', textReport(model)],
    ['Markdown', markdownReport(model)],
    ['JSON', jsonReport(model)],
  ])('%s holds nothing that a terminal acts on', (_, view) => {
    expect(ACTIVE.exec(view)).toBeNull()
    expect(view).toContain('\\u202e')
  })

  test('JSON keeps it to the letter', () => {
    expect((JSON.parse(jsonReport(model)) as ReportModel).migrations[0]?.name).toBe(HOSTILE)
  })

  test('in text it stays on its line', () => {
    expect(textReport(model)).not.toMatch(/^# h/m)
  })

  test('in Markdown it stands in code alone', () => {
    const prose = withoutCode(markdownReport(model))
    for (const active of ['<script', '@team', 'https:', '![', 'evil', '#1', '<!--', '~~~'])
      expect(prose).not.toContain(active)
    expect(prose).not.toMatch(/^# h/m)
    // the block of differences begins once and ends once
    expect(markdownReport(model).match(/^ {0,3}```/gm)).toHaveLength(2)
  })

  test('in Markdown tables it stays in its cell', () => {
    for (const line of markdownReport(model)
      .split('\n')
      .filter((each) => each.startsWith('| 2026'))) {
      expect(line).not.toContain('\\\\|')
      expect(line.match(/(?<!\\)\|/g)).toHaveLength(5)
    }
  })
})

/** What is left of Markdown without its code: spans are delimited by runs of backticks of the same length. */
function withoutCode(markdown: string): string {
  const blocks = markdown.replace(/^```diff\n[\s\S]*?^```$/gm, '')
  return blocks
    .split('\n')
    .map((line) => line.replace(/(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)/g, ''))
    .join('\n')
}
