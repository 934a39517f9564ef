// `cutover job` says which MCP servers a run had, and which it went without and why.

import { expect, it } from 'vitest'
import { type Found, jobJson, jobText } from '../../src/cli/job-text.ts'
import type { Pen } from '../../src/cli/pen.ts'

const pen: Pen = { colours: false, width: 200, style: (_as, text) => text }
const view: Found['view'] = {
  ...({ state: 'done', side: 'legacy', route: 'legacy', reason: 'flag' } as const),
  ...{ id: 'a', epoch: 1, generation: 0 },
  ...{ attempts: { failed: 0, started: 1, most: 3 }, effectsBegun: false, enqueuedAt: 1, dueAt: 1 },
  ...{ comparison: 'none', control: 'none' },
}
const run: Omit<Found['runs'][number], 'mcp'> = {
  ...({ arm: 'primary', side: 'legacy' } as const),
  ...{ ok: true, attempts: 1, waitMs: 1, runMs: 1, version: '1', effects: [], resultBytes: 2, error: null },
}
const found = (mcp: Found['runs'][number]['mcp']): Found => ({
  ...{ view, places: [], samples: [], events: [] },
  runs: [{ ...run, mcp }],
})

it('tells servers with their tools, and those that were away', () => {
  const mcp = [
    { server: 'files', tools: 0, hash: 'x', degraded: 'spawn-blocked', why: 'It stood still.' },
    { server: 'mail', tools: 2, hash: 'y' },
  ]
  expect(jobText('mail', found(mcp), pen)).toContain('without files (spawn-blocked: It stood still.); 2 tools of mail;')
  expect(jobJson('mail', found(mcp))).toMatchObject({ runs: [{ mcp }] })
})

it('says nothing of a run that did not ask', () => {
  expect(jobText('mail', found([]), pen)).toContain('no effects; waited')
})
