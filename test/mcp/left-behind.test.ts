// 200 probes in a row against servers that hang and crash: each ends within its deadline and two seconds, and in the end
// not one process is left.

import { readdirSync } from 'node:fs'
import { expect, it } from 'vitest'
import { crumbFolder } from '../../src/mcp/crumbs.ts'
import { allProcs, HAS_PROC, hasMark } from '../../src/mcp/proc.ts'
import { MARK } from '../../src/mcp/process-tree.ts'
import { probeHere } from '../../src/mcp/worker-probe.ts'
import { newId } from '../../src/vocabulary/ids.ts'
import { fixture, settle } from '../support/mcp-kit.ts'

const PROBES = 200
const AT_ONCE = 2
const DEADLINE_MS = 1000
/** Hanging ones time out in the phase before, so that the rest of the deadline is theirs to waste. */
const timeouts = { spawn: '1s', initialize: '400ms', list: '200ms', call: '200ms', close: '300ms' } as const

const shell = (line: string) => ({ command: '/bin/sh', args: ['-c', line], timeouts })
const SERVERS = [
  shell('exit 3'),
  shell('kill -SEGV $$'),
  shell('cat >/dev/null'),
  shell('trap "" TERM HUP; sleep 300 & wait'),
  shell('sleep 300 & sleep 300 & exit 0'),
  shell('setsid sleep 300 & exec sleep 300'),
  shell('setsid setsid sh -c "sleep 300 & sleep 300" >/dev/null 2>&1 & exit 1'),
  shell('(trap "" TERM; exec setsid sleep 300) & kill -STOP $$'),
  shell('while :; do echo noise; done'),
  { command: '/no/such/program', timeouts },
  fixture('crash', { timeouts }),
  fixture('silent', { timeouts }),
  fixture('leaves-session', { timeouts }),
  fixture('grandchild-holds-pipes', { timeouts }),
]

it('leaves nothing behind', { timeout: 300_000 }, async () => {
  // loaded once a process, which is not the server's time
  await probeHere(settle(fixture('ok')), { id: newId(), place: 'target', deadlineMs: 20_000 })
  const id = newId()
  const children = (): number => allProcs().filter(({ ppid }) => ppid === process.pid).length
  const before = children()
  const over: number[] = []
  const stalls = watchStalls()
  const classes = new Map<string, number>()
  let next = 0
  const one = async (): Promise<void> => {
    for (let n = next++; n < PROBES; n = next++) {
      const server = settle(SERVERS[n % SERVERS.length] as (typeof SERVERS)[number], `s${n}`)
      const began = performance.now()
      const stalledBefore = stalls.total()
      const found = await probeHere(server, { id, place: 'target', deadlineMs: DEADLINE_MS })
      // on a busy machine, what this process could not run is not the probe's time
      over.push(performance.now() - began - DEADLINE_MS - STALL_WEIGHT * (stalls.total() - stalledBefore))
      classes.set(found.class, (classes.get(found.class) ?? 0) + 1)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, one))
  stalls.stop()
  expect(over).toHaveLength(PROBES)
  expect(Math.max(...over)).toBeLessThan(2000)
  expect([...classes.keys()]).toEqual(expect.arrayContaining(['crashed', 'no-initialize', 'command-not-found']))
  // by the mark in their environment, whatever became of their parents; and by parent
  if (HAS_PROC) {
    const marked = allProcs().filter(({ pid, state }) => state !== 'Z' && hasMarkOf(pid, id))
    expect(marked).toEqual([])
  }
  expect(children()).toBeLessThanOrEqual(before)
  // nor a note of them
  expect(readdirSync(crumbFolder() ?? '').filter((name) => name.includes(id))).toEqual([])
})

/** The thread and the processes of a probe are held up as this process is, one after the other. */
const STALL_WEIGHT = 3

/** How long the timers of this process were late, in all, ms. */
function watchStalls(): { total(): number; stop(): void } {
  let total = 0
  let last = performance.now()
  const timer = setInterval(() => {
    const now = performance.now()
    total += Math.max(0, now - last - 20)
    last = now
  }, 10)
  return { total: () => total, stop: () => clearInterval(timer) }
}

function hasMarkOf(pid: number, id: string): boolean {
  return Array.from({ length: PROBES }, (_, n) => n).some((n) => hasMark(pid, `${MARK}=${id}-s${n}-target`))
}
