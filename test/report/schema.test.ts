// Every report fits the published schema, and the schema, the type and the documentation name the same things.

import { readFileSync } from 'node:fs'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { describe, expect, test } from 'vitest'
import { buildReport } from '../../src/report/build.ts'
import { jsonReport } from '../../src/report/json.ts'
import { ATTACKED, BUSY, CLEAN, EMPTY, huge } from '../support/report-cases.ts'
import { bucket, ledgerSnapshot, NO_GAUGES, START } from '../support/snapshots.ts'

const root = new URL('../../', import.meta.url)
const schema = JSON.parse(readFileSync(new URL('schema/report-v1.schema.json', root), 'utf8'))
const validate = new Ajv2020({ strict: true, allErrors: true, allowUnionTypes: true }).compile(schema)

const CONTRADICTING = ledgerSnapshot({
  snapshot: {
    buckets: [bucket({ 'job/ok.legacy': -1, 'job/pair.matched': Number.NaN, 'key/pair.mismatched': 3 })],
    gauges: { ...NO_GAUGES, moving: Number.NaN },
  },
})

describe('the schema', () => {
  test.each([
    ['no migration', []],
    ['an empty one', [EMPTY]],
    ['two', [CLEAN, BUSY]],
    ['hostile text', [ATTACKED]],
    ['contradictions', [CONTRADICTING]],
    ['a huge one', [huge()]],
  ])('%s fits', (_, ledgerSnapshots) => {
    validate(JSON.parse(jsonReport(buildReport({ ledgerSnapshots, at: START }))))
    expect(validate.errors).toBeNull()
  })

  test('refuses what it does not name, and what is missing', () => {
    const report = JSON.parse(jsonReport(buildReport({ ledgerSnapshots: [BUSY], at: START })))
    expect(validate({ ...report, more: 1 })).toBe(false)
    const { lost: _lost, ...jobs } = report.migrations[0].jobs
    expect(validate({ ...report, migrations: [{ ...report.migrations[0], jobs }] })).toBe(false)
  })

  test('closes every object and asks for every key but values that a side may not have', () => {
    const optional: string[] = []
    const open: string[] = []
    visit(schema, '', (path, object) => {
      if (object.properties === undefined) return
      if (object.additionalProperties !== false) open.push(path)
      const missing = Object.keys(object.properties).filter((key) => !(object.required ?? []).includes(key))
      optional.push(...missing.map((key) => `${path}/${key}`))
    })
    expect(open).toEqual([])
    expect(optional).toEqual([
      ...['/$defs/difference/properties/example/legacy', '/$defs/difference/properties/example/target'],
      ...['/$defs/epoch/properties/versions/legacy', '/$defs/epoch/properties/versions/target'],
    ])
  })

  test('every name in it is documented', () => {
    const docs = readFileSync(new URL('docs/report.md', root), 'utf8')
    const names = new Set<string>()
    visit(schema, '', (_, object) => {
      for (const name of Object.keys(object.properties ?? {})) names.add(name)
    })
    const routes = new Set(['legacy', 'target', 'legacy-shadowed', 'target-shadowed'])
    const undocumented = [...names].filter((name) => !routes.has(name) && !new RegExp(`\\b${name}\\b`).test(docs))
    expect(undocumented).toEqual([])
  })
})

interface Node {
  readonly properties?: Readonly<Record<string, unknown>>
  readonly required?: readonly string[]
  readonly additionalProperties?: boolean
}

function visit(node: unknown, path: string, seen: (path: string, object: Node) => void): void {
  if (typeof node !== 'object' || node === null) return
  if (!path.endsWith('/properties')) seen(path, node)
  for (const [key, child] of Object.entries(node)) visit(child, `${path}/${key}`, seen)
}
