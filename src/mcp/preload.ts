// `node --import cutover/preload worker.js`: says, while a process stands still inside `child_process`, in which call and
// from where. Nothing else can: an inspector gets no answer from a thread that waits in the system.
//
// Before each call that starts a process its name and stack are written into one small file, and after it that it has
// returned. Arguments are not: they may hold secrets. With CUTOVER_AWAITS=1 it also remembers where promises that are
// still pending were made, which costs speed.

import asyncHooks from 'node:async_hooks'
import childProcess from 'node:child_process'
import { openSync, rmSync, writeSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { basename } from 'node:path'
import { isMainThread } from 'node:worker_threads'
import { type Call, PENDING } from './calls.ts'
import { callFile, tidyCrumbs } from './crumbs.ts'

const BYTES = 4096
const FRAMES = 12
const NAMES = ['spawn', 'spawnSync', 'exec', 'execSync', 'execFile', 'execFileSync', 'fork'] as const

if (isMainThread) {
  watchCalls()
  if (process.env['CUTOVER_AWAITS'] === '1') watchPromises()
}

function watchCalls(): void {
  const path = callFile(process.pid)
  if (path === undefined) return
  tidyCrumbs()
  let file: number
  try {
    file = openSync(path, 'w', 0o600)
  } catch {
    return
  }
  process.once('exit', () => rmSync(path, { force: true }))
  const write = (call: Call): void => {
    try {
      writeSync(file, JSON.stringify(call).slice(0, BYTES).padEnd(BYTES), 0)
    } catch {
      // a full disk
    }
  }
  const module = childProcess as unknown as Record<string, (...args: unknown[]) => unknown>
  let depth = 0
  for (const name of NAMES) {
    const original = module[name]
    if (original === undefined) continue
    // `execSync` calls `spawnSync` and so on: the outermost is the one to tell
    module[name] = function (this: unknown, ...args: unknown[]): unknown {
      if (depth > 0) return original.apply(this, args)
      const call = { call: name, program: programOf(args[0]), at: Date.now(), stack: stackAbove(FRAMES) }
      write({ ...call, returned: false })
      depth += 1
      try {
        return original.apply(this, args)
      } finally {
        depth -= 1
        write({ ...call, returned: true })
      }
    }
    // promisified forms and the like hang on the function
    Object.defineProperties(module[name], Object.getOwnPropertyDescriptors(original))
  }
  syncBuiltinESMExports()
}

function programOf(command: unknown): string {
  const text = command instanceof URL ? command.pathname : String(command)
  return basename(text.trim().split(/\s/)[0] ?? '').slice(0, 80)
}

function stackAbove(frames: number): readonly string[] {
  const limit = Error.stackTraceLimit
  Error.stackTraceLimit = frames + 2
  const { stack = '' } = new Error()
  Error.stackTraceLimit = limit
  return stack
    .split('\n')
    .slice(3)
    .map((line) => line.trim().slice(0, 200))
}

const PENDING_MOST = 20_000
/** What waits because something else does: the platform, the library that starts processes, the probe itself. */
const MACHINERY =
  /\(?node:|node_modules\/execa\/|\/mcp\/(preload|probe|connection|stdio|watchdog|baseline-process)\.[jt]s/

function watchPromises(): void {
  const made = new Map<number, string>()
  const hook = asyncHooks.createHook({
    init(id, type) {
      if (type !== 'PROMISE' || made.size >= PENDING_MOST) return
      const own = (new Error().stack ?? '')
        .split('\n')
        .find((line) => /\.[cm]?[jt]s:\d+/.test(line) && !MACHINERY.test(line))
      if (own !== undefined) made.set(id, own.trim().slice(0, 200))
    },
    promiseResolve: (id) => {
      made.delete(id)
    },
    destroy: (id) => {
      made.delete(id)
    },
  })
  hook.enable()
  // newest first: what was begun last is what is waited for
  const pending = (): readonly string[] => {
    const counts = new Map<string, number>()
    for (const place of [...made.values()].toReversed()) counts.set(place, (counts.get(place) ?? 0) + 1)
    return [...counts].slice(0, FRAMES).map(([place, n]) => `${n} × ${place}`)
  }
  Object.defineProperty(globalThis, PENDING, { value: pending })
}
