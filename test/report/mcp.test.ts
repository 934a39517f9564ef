// MCP servers in the report: from the probes of the ledger to the model, the views, and the first thing to know.

import { readFileSync } from 'node:fs'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { expect, it } from 'vitest'
import { buildReport } from '../../src/report/build.ts'
import { markdownReport } from '../../src/report/markdown.ts'
import type { ReportModel } from '../../src/report/model.ts'
import { textReport } from '../../src/report/text.ts'
import type { ProbePlace, StoredProbe } from '../../src/vocabulary/probe.ts'
import { HOSTILE } from '../support/report-cases.ts'
import { ledgerSnapshot, START } from '../support/snapshots.ts'

const schema = JSON.parse(readFileSync(new URL('../../schema/report-v1.schema.json', import.meta.url), 'utf8'))
const validate = new Ajv2020({ strict: true, allErrors: true, allowUnionTypes: true }).compile(schema)

let made = 0
function probe(server: string, place: ProbePlace, over: Partial<StoredProbe> = {}): StoredProbe {
  const base = {
    id: String(made++),
    server,
    place,
    at: START,
    ms: 560,
    phases: [{ phase: 'spawn', ms: 15, ok: true }],
  } as const
  return {
    ...base,
    class: 'ok',
    tools: [
      ['a', '1'],
      ['b', '1'],
    ],
    protocol: '2025-06-18',
    reached: 'stdio x',
    orphans: 0,
    ...over,
  }
}
function down(server: string, place: ProbePlace, sentence: string): StoredProbe {
  const { tools: _, ...rest } = probe(server, place)
  const details = [{ what: 'its end', lines: ['exit code 1'] }]
  return { ...rest, class: 'crashed', hang: { sentence, details } }
}

function reportOf(probes: readonly StoredProbe[]): ReportModel {
  const model = buildReport({ ledgerSnapshots: [{ ...ledgerSnapshot(), probes }], at: START })
  validate(JSON.parse(JSON.stringify(model)))
  expect(validate.errors).toBeNull()
  return model
}

it('says nothing where nothing was probed', () => {
  const model = reportOf([])
  expect(model.migrations[0]?.mcp).toEqual([])
  expect(textReport(model)).not.toContain('MCP')
})

const BROKEN_TARGET = [
  probe('files', 'baseline'),
  probe('files', 'legacy'),
  down('files', 'target', 'The server ended by itself (exit code 1).'),
  probe('search', 'legacy'),
  probe('search', 'target', { tools: [['a', '2']] }),
]

it('has verdict, places and tools of each server', () => {
  const [files, search] = reportOf(BROKEN_TARGET).migrations[0]?.mcp ?? []
  expect(files).toMatchObject({
    server: 'files',
    verdict: 'worse',
    reached: 'stdio x',
    places: {
      baseline: { state: 'up', probes: 1, good: 1, last: { class: 'ok', tools: 2, protocol: '2025-06-18' } },
      target: {
        state: 'down',
        good: 0,
        last: { class: 'crashed', tools: null, hang: { sentence: expect.any(String) } },
      },
    },
    tools: null,
  })
  expect(search).toMatchObject({
    verdict: 'worse',
    places: { baseline: { state: 'not-probed', last: null } },
    tools: { missing: ['b'], changed: ['a'], extra: [] },
  })
})

it('says first what is worse on target, in both views', () => {
  const model = reportOf(BROKEN_TARGET)
  const [migration] = model.migrations
  expect(migration?.verdict.level).toBe('look')
  expect(migration?.verdict.findings.filter(({ code }) => code === 'mcp').map(({ text }) => text)).toEqual([
    'MCP server files: legacy reaches it, target does not: the worker breaks it, in a plain process it works',
    "MCP server search: of legacy's tools on target: 1 missing, 1 changed",
  ])
  for (const view of [textReport(model, { width: 200 }), markdownReport(model)]) {
    expect(view).toContain('MCP server')
    expect(view).toContain('crashed')
    expect(view).toMatch(/server ended by itself/)
  }
})

it('what is better on target is no reason to look', () => {
  const model = reportOf([down('files', 'legacy', 'x'), probe('files', 'target')])
  expect(model.migrations[0]?.mcp[0]?.verdict).toBe('better')
  expect(model.migrations[0]?.verdict.level).toBe('ok')
})

it('goes by the newest three of each place', () => {
  const old = Array.from({ length: 5 }, () => down('files', 'target', 'long ago'))
  const model = reportOf([
    ...old,
    probe('files', 'legacy'),
    ...Array.from({ length: 3 }, () => probe('files', 'target')),
  ])
  expect(model.migrations[0]?.mcp[0]).toMatchObject({
    verdict: 'same',
    places: { target: { state: 'up', probes: 3, good: 3 } },
  })
})

it('does no harm with what a server says of itself', () => {
  const model = reportOf([down('files', 'legacy', HOSTILE), probe('files', 'target', { serverInfo: HOSTILE })])
  expect(textReport(model)).not.toContain('\u001b')
  expect(markdownReport(model)).not.toMatch(/^<script/m)
})
