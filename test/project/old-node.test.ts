// Does everything that a person starts say in one line that its Node is too old, and nothing else?

import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'

const ROOT = join(import.meta.dirname, '../..')

/** A Node of the machine that is older than 24, outside of any node_modules. */
const old = (process.env['PATH'] ?? '')
  .split(delimiter)
  .filter((folder) => !folder.includes('node_modules'))
  .map((folder) => join(folder, 'node'))
  .find((node) => {
    const { stdout, status } = spawnSync(node, ['--version'], { encoding: 'utf8' })
    return status === 0 && Number(/^v(\d+)/.exec(stdout)?.[1]) < 24
  })

const folder = mkdtempSync(join(tmpdir(), 'cutover-old-'))
const pretend = join(folder, 'pretend.cjs')
writeFileSync(
  pretend,
  "Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.9.0' } })\n",
)
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const STARTED = [
  ['scripts/guard.mjs', []],
  ['bin/cutover.js', ['report']],
] as const

function expectRefusal(node: string, args: readonly string[], version: string): void {
  const { status, stdout, stderr } = spawnSync(node, [...args], { cwd: ROOT, encoding: 'utf8' })
  expect(stderr).toMatch(/^cutover needs Node 24 or newer, this is [\d.]+[^\n]*\n$/)
  expect(stderr).toContain(version)
  expect(stdout).toBe('')
  expect(status).toBe(1)
}

describe.each(STARTED)('%s', (file, args) => {
  test('on a version that is said to be old', () => {
    expectRefusal(process.execPath, ['--require', pretend, file, ...args], '20.9.0')
  })

  test.skipIf(old === undefined)('on an older Node of this machine', () => {
    const version = spawnSync(old as string, ['--version'], { encoding: 'utf8' })
      .stdout.trim()
      .slice(1)
    expectRefusal(old as string, [file, ...args], version)
  })
})

test('every npm script that runs code of the project asks first', () => {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>
  }
  const own = Object.entries(scripts).filter(([, text]) => /\bnode |vitest/.test(text))
  expect(own.length).toBeGreaterThan(4)
  for (const [name, text] of own) expect(text, name).toMatch(/^node scripts\/guard\.mjs && /)
})
