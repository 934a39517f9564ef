// A plan that is driven reads the probes of MCP servers: it holds without any, goes on with good ones, and goes back when
// target lacks a tool of legacy in two probes running.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { probedOf } from '../../src/cli/driven.ts'
import { resolveMigration } from '../../src/config/resolve.ts'
import type { Tick } from '../../src/rollout/controller.ts'
import type { ProbePlace, ToolStamp } from '../../src/vocabulary/probe.ts'
import { until } from '../support/app.ts'
import {
  type Cockpit,
  openCockpit,
  type Running,
  type Site,
  siteConfig,
  startApp,
  writeFlags,
  writePlan,
} from '../support/drive.ts'

let site: Site
let app: Running
let cockpit: Cockpit

beforeEach(async () => {
  const folder = mkdtempSync(join(tmpdir(), 'cutover-mcp-gates-'))
  site = { folder, place: { folder, files: 'apart' } }
  writePlan(site)
  writeFlags(site)
  app = await startApp(site)
  cockpit = await openCockpit(site)
})
afterEach(async () => {
  await app?.stop()
  await cockpit?.close()
  rmSync(site.folder, { recursive: true, force: true })
})

const BOTH: readonly ToolStamp[] = [
  ['search', '1'],
  ['send', '1'],
]

test('holds without probes, passes with good ones, goes back when a tool is missing twice', {
  timeout: 60_000,
}, async () => {
  const config = { ...siteConfig(site), mcp: { servers: { mail: { command: 'mail-server' } } } }
  const settings = resolveMigration(config, 'mail')
  let rounds = 0
  const note = (place: ProbePlace, tools: readonly ToolStamp[]): Promise<void> =>
    cockpit.ledger.noteProbe({ id: String(rounds++), server: 'mail', place, class: 'ok', ms: 1, phases: [], tools })
  let last: Tick | undefined
  const controller = cockpit.controller({
    mcp: () => probedOf(cockpit.ledger, settings),
    onTick: (tick) => {
      last = tick
    },
  })
  const gate = (name: string): string | undefined => {
    const found = last?.judged?.judgement.gates.find((each) => each.name === name)
    return found === undefined ? undefined : `${found.server} ${found.verdict} ${found.reason}`
  }
  const stop = new AbortController()
  const running = controller.run(stop.signal)
  try {
    await until(() => gate('mcp-tools') !== undefined, 'the stage is counted', 20_000)
    expect([gate('mcp-tools'), gate('mcp-reachable')]).toEqual(['mail hold no-probe', 'mail hold no-probe'])
    await note('legacy', BOTH)
    await note('target', BOTH)
    await until(() => gate('mcp-tools') === 'mail pass tools-equal', 'good probes are read')
    expect(gate('mcp-reachable')).toBe('mail pass reachable')
    await note('target', BOTH.slice(1))
    await until(() => gate('mcp-tools') === 'mail hold tools-missing-unconfirmed', 'a tool is missing')
    await note('target', BOTH.slice(1))
    await until(async () => (await cockpit.record()).phase === 'back', 'it goes back')
    const history = await cockpit.ledger.history()
    expect(
      JSON.stringify(history.find(({ action }) => action.includes('rollback') || action.includes('back'))),
    ).toContain('tools-missing')
    expect((await cockpit.ledger.control()).latch.set).toBe(true)
  } finally {
    stop.abort()
    await running
  }
})
