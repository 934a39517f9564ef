// What probes say about moving: verdicts by place, tools compared by name and schema, and what the gates read of it.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { FAILURE_CLASSES } from '../../src/mcp/classes.ts'
import { compareTools, listAll, schemaHash, stampTools } from '../../src/mcp/tools.ts'
import { type ProbeVerdict, probeVerdicts } from '../../src/mcp/verdict.ts'
import { judge } from '../../src/rollout/gates/index.ts'
import { mcpCounts } from '../../src/rollout/mcp-counts.ts'
import { PROBE_FAILURES, type ProbePlace, type StoredProbe, type ToolStamp } from '../../src/vocabulary/probe.ts'
import { plain, tableUnder } from '../project/markdown.ts'

const A: ToolStamp = ['a', '1']
const B: ToolStamp = ['b', '1']
const B2: ToolStamp = ['b', '2']

let made = 0
function probe(place: ProbePlace, tools: readonly ToolStamp[] | 'down' | 'running', server = 'files'): StoredProbe {
  const base = { id: String(made++), server, place, ms: 1, phases: [], at: made }
  if (tools === 'running') return { ...base, class: 'running' }
  return tools === 'down' ? { ...base, class: 'crashed' } : { ...base, class: 'ok', tools }
}
const legacy = (...of: Parameters<typeof probe>[1][]) => of.map((tools) => probe('legacy', tools))
const target = (...of: Parameters<typeof probe>[1][]) => of.map((tools) => probe('target', tools))
const baseline = (...of: Parameters<typeof probe>[1][]) => of.map((tools) => probe('baseline', tools))

describe('verdicts', () => {
  it.each<[string, StoredProbe[], ProbeVerdict, string]>([
    ['equal', [...legacy([A, B]), ...target([A, B])], 'same', 'the same tools'],
    ['more on target', [...legacy([A]), ...target([A, B])], 'better', '1 more'],
    ['missing on target', [...legacy([A, B]), ...target([A])], 'worse', '1 missing'],
    ['another schema', [...legacy([A, B]), ...target([A, B2])], 'worse', '1 changed'],
    ['only target', [...baseline([A]), ...legacy('down'), ...target([A])], 'better', 'the worker breaks it'],
    ['only legacy', [...baseline('down'), ...legacy([A]), ...target('down')], 'worse', 'nor does a plain process'],
    ['nobody', [...baseline('down'), ...legacy('down'), ...target('down')], 'inconclusive', 'the server is broken'],
    [
      'only the baseline',
      [...baseline([A]), ...legacy('down'), ...target('down')],
      'inconclusive',
      'both workers break it',
    ],
    ['target not tried', [...baseline([A]), ...legacy([A])], 'inconclusive', 'no worker of target'],
    ['legacy not tried', target([A]), 'inconclusive', 'no worker of legacy'],
    ['now and then on both', [...legacy([A], 'down'), ...target('down', [A])], 'inconclusive', 'now and then on both'],
    ['target now and then', [...legacy([A], [A]), ...target('down', [A])], 'worse', 'only now and then'],
    ['not ended', [...legacy([A]), ...target([A], 'running')], 'same', ''],
  ])('%s', (_name, records, verdict, text) => {
    const [found, ...others] = probeVerdicts(records)
    expect(others).toEqual([])
    expect(found?.verdict).toBe(verdict)
    expect(found?.text).toContain(text)
  })

  it('one a server', () => {
    const records = [probe('legacy', [A], 'x'), probe('legacy', [A], 'y'), probe('target', [A], 'x')]
    expect(probeVerdicts(records).map(({ server, verdict }) => [server, verdict])).toEqual([
      ['x', 'same'],
      ['y', 'inconclusive'],
    ])
  })
})

describe('tools', () => {
  it('hash the same whatever the order of keys', () => {
    const one = { type: 'object', properties: { a: { type: 'string' }, b: { enum: [1, 2] } } }
    const same = { properties: { b: { enum: [1, 2] }, a: { type: 'string' } }, type: 'object' }
    expect(schemaHash(one)).toBe(schemaHash(same))
    expect(schemaHash(one)).not.toBe(schemaHash({ ...one, required: ['a'] }))
    expect(schemaHash({ properties: { b: { enum: [2, 1] }, a: { type: 'string' } }, type: 'object' })).not.toBe(
      schemaHash(one),
    )
  })

  it('are stamped sorted, each name once', () => {
    const tools = ['b', 'a', 'b'].map((name) => ({ name, inputSchema: {} }))
    expect(stampTools(tools).map(([name]) => name)).toEqual(['a', 'b'])
  })

  it('are compared by name and schema', () => {
    expect(compareTools([A, B], [B2, ['c', '1']])).toEqual({ missing: ['a'], extra: ['c'], changed: ['b'] })
  })

  it('are listed to the last page, never for ever', async () => {
    const page = (n: number, next?: string) => ({ tools: [{ name: `t${n}`, inputSchema: {} }], nextCursor: next })
    expect(await listAll(async (cursor) => (cursor === undefined ? page(0, 'x') : page(1)))).toHaveLength(2)
    let n = 0
    await expect(listAll(async () => page(0, String(n++)))).rejects.toMatchObject({ failure: 'protocol-error' })
  })
})

describe('what the gates read', () => {
  const verdictOf = (records: readonly StoredProbe[]): string[] =>
    mcpCounts(records, ['files']).flatMap(({ tools, reachable }) => {
      if (tools === undefined || reachable === undefined) return ['nothing']
      const inputs = [
        { gate: 'mcpTools', counts: tools, alpha: 0.05, attempt: 1, tests: 1 },
        { gate: 'mcpReachable', counts: reachable, alpha: 0.05, attempt: 1, tests: 1 },
      ] as const
      return inputs.map((input) => judge(input)).map(({ verdict, reason }) => `${verdict} ${reason}`)
    })

  it.each<[string, StoredProbe[], string, string]>([
    ['never probed', [], 'hold no-probe', 'hold no-probe'],
    ['equal', [...legacy([A, B]), ...target([A, B])], 'pass tools-equal', 'pass reachable'],
    ['more on target', [...legacy([A]), ...target([A, B])], 'pass tools-equal', 'pass reachable'],
    ['missing once', [...legacy([A, B]), ...target([A, B], [A])], 'hold tools-missing-unconfirmed', 'pass reachable'],
    ['missing twice', [...legacy([A, B]), ...target([A], [A])], 'fail tools-missing', 'pass reachable'],
    ['another schema twice', [...legacy([B]), ...target([B2], [B2])], 'fail tools-missing', 'pass reachable'],
    [
      'two tools, one after the other',
      [...legacy([A, B]), ...target([A], [B])],
      'hold tools-missing-unconfirmed',
      'pass reachable',
    ],
    ['back again', [...legacy([A, B]), ...target([A], [A], [A, B])], 'pass tools-equal', 'pass reachable'],
    ['legacy not probed', target([A]), 'hold no-probe', 'pass reachable'],
    ['legacy never reached it', [...legacy('down'), ...target([A])], 'pass tools-equal', 'pass reachable'],
    [
      'nor has target what the baseline has',
      [...baseline([A, B]), ...legacy('down'), ...target([A], [A])],
      'fail tools-missing',
      'pass reachable',
    ],
    [
      'target fails three times',
      [...legacy([A]), ...target('down', 'down', 'down')],
      'hold no-probe',
      'fail server-unreachable',
    ],
    [
      'both fail',
      [...legacy('down'), ...target('down', 'down', 'down')],
      'hold no-probe',
      'hold server-down-everywhere',
    ],
    ['not ended', [...legacy([A]), ...target([A], 'running')], 'pass tools-equal', 'pass reachable'],
  ])('%s', (_name, records, tools, reachable) => expect(verdictOf(records)).toEqual([tools, reachable]))

  it('of those that were probed, where none are named', () => {
    expect(mcpCounts([...legacy([A]), probe('target', [A], 'a')]).map(({ server }) => server)).toEqual(['a', 'files'])
  })
})

describe('failure classes', () => {
  const page = readFileSync(join(import.meta.dirname, '../../docs/mcp.md'), 'utf8')

  it('are all in the table, and the table in the docs', () => {
    expect(Object.keys(FAILURE_CLASSES)).toEqual([...PROBE_FAILURES])
    const rows = tableUnder(page, 'Failures').map(([name = '', ...cells]) => [plain(name), ...cells])
    expect(rows).toEqual(Object.entries(FAILURE_CLASSES).map(([name, { meaning, advice }]) => [name, meaning, advice]))
  })
})
