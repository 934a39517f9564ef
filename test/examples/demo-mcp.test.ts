// `npm run demo -- --mcp`, in a short form: legacy's workers cannot start a child process, or are kept from it by a guard.

import { spawnSync } from 'node:child_process'
import { dirname } from 'node:path'
import { expect, it } from 'vitest'
import { reportOf, startDemo } from './demo-kit.ts'

const JOBS = 40
const hasCompiler = process.platform === 'linux' && spawnSync('cc', ['--version'], { stdio: 'ignore' }).status === 0

it.skipIf(!hasCompiler)(
  'shows the matrix, where it hangs, and that jobs ran without tools on legacy and with them on target',
  { timeout: 120_000 },
  async () => {
    const { status, out, err } = await startDemo(['--mcp', '--jobs', String(JOBS)]).ended
    expect(err).toMatch(/everything {2}BETTER {2}target reaches it, legacy does not: the worker breaks it/)
    expect(err).toMatch(/legacy +spawn-blocked +spawn/)
    expect(err).toMatch(/stood still inside child_process\.spawn for .* s: the child was forked and never reached exec/)
    expect(err).toMatch(/target +ok +14 tools/)
    const sides = (tools: number) =>
      `legacy 0 tools \\(spawn-blocked\\), target ${tools} tools; in (\\d+) of \\1 compared`
    expect(out).toMatch(new RegExp(`everything +${sides(13)}`))
    expect(out).toMatch(new RegExp(`files +${sides(14)}`))
    expect(out).toContain('Nothing lost, nothing done twice')
    expect(status).toBe(0)
  },
)

it('without a compiler a guard keeps legacy off, which is told as such', { timeout: 120_000 }, async () => {
  const demo = startDemo(['--mcp', '--jobs', String(JOBS), '--json'], { PATH: dirname(process.execPath) })
  const model = reportOf(await demo.ended)
  const thread = model.migrations.find(({ name }) => name === 'thread-email')
  expect(thread?.jobs).toMatchObject({ done: JOBS, failed: 0, lost: 0, twice: 0 })
  expect(thread?.mcp.map(({ server, verdict, places }) => [server, verdict, places.legacy.last?.class])).toEqual([
    ['everything', 'better', 'skipped-by-guard'],
    ['files', 'better', 'skipped-by-guard'],
  ])
  const { compared } = thread?.comparisons ?? {}
  expect(compared).toBeGreaterThan(0)
  expect(thread?.differences.map(({ path, kind, count, example }) => [path, kind, count, example.legacy])).toEqual([
    ['/mcp/everything', 'tools', compared, { tools: 0, degraded: 'skipped-by-guard' }],
    ['/mcp/files', 'tools', compared, { tools: 0, degraded: 'skipped-by-guard' }],
  ])
})
