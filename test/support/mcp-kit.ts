// What the tests of probes share: one server tried in this process, processes counted, a library that blocks `exec`.

import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type McpServerConfig, type McpServerSettings, type McpStdioConfig, resolveMcp } from '../../src/mcp/config.ts'
import { allProcs, hasMark, type Proc } from '../../src/mcp/proc.ts'
import { MARK } from '../../src/mcp/process-tree.ts'
import { probeHere } from '../../src/mcp/worker-probe.ts'
import { newId } from '../../src/vocabulary/ids.ts'
import type { ProbeRecord } from '../../src/vocabulary/probe.ts'
import type { Mode } from '../fixtures/mcp-server.ts'
import { until } from './app.ts'
import type { WorkerOrder } from './mcp-worker.ts'

export const SERVER = new URL('../fixtures/mcp-server.ts', import.meta.url).pathname

/** Short, so that what never answers is soon known; long enough for a busy machine to start a process. */
export const TIMEOUTS = { spawn: '3s', initialize: '5s', list: '3s', call: '3s', close: '1s' } as const

export function fixture(mode: Mode, more: Partial<McpStdioConfig> = {}): McpServerConfig {
  return { command: process.execPath, args: [SERVER, mode], timeouts: TIMEOUTS, ...more }
}

export function settle(config: McpServerConfig, name = 'server'): McpServerSettings {
  const [settings] = resolveMcp({ servers: { [name]: config } }, undefined, 'test')?.servers ?? []
  if (settings === undefined) throw new Error('no server')
  return settings
}

/** Tried in this process, as a worker would. */
export async function tryServer(
  config: McpServerConfig,
  deadlineMs = 15_000,
): Promise<ProbeRecord & { readonly round: string }> {
  const round = newId()
  return { ...(await probeHere(settle(config), { id: round, place: 'target', deadlineMs })), round }
}

/** Processes of a round that are alive: found by the mark in their environment. */
export function leftOf(round: string): readonly Proc[] {
  return allProcs().filter(
    ({ pid, state }) => state !== 'Z' && pid !== process.pid && hasMark(pid, `${MARK}=${round}-server-target`),
  )
}

const SOURCE = `
#define _GNU_SOURCE
#include <dlfcn.h>
#include <string.h>
#include <time.h>
static void wait_for(const char *path) {
  struct timespec t = { SECONDS, 0 };
  if (path && strcmp(path, TARGET) == 0) nanosleep(&t, 0);
}
int execve(const char *p, char *const a[], char *const e[]) {
  int (*f)(const char *, char *const *, char *const *) = dlsym(RTLD_NEXT, "execve");
  wait_for(p);
  return f(p, a, e);
}
int execvp(const char *p, char *const a[]) {
  int (*f)(const char *, char *const *) = dlsym(RTLD_NEXT, "execvp");
  wait_for(p);
  return f(p, a);
}
`

/** A program whose start blocks in every process that has `library` preloaded. */
export interface Blocked {
  readonly library: string
  /** A Node under a name of its own. */
  readonly program: string
  remove(): void
}

/** Undefined, with a line that says so, where there is no C compiler or no Linux; in CI that fails. */
export function makeBlocked(seconds: number): Blocked | undefined {
  const possible = process.platform === 'linux' && spawnSync('cc', ['--version'], { stdio: 'ignore' }).status === 0
  if (!possible) {
    if (process.env['CI'] === 'true' && process.platform === 'linux') throw new Error('a C compiler is missing in CI')
    process.stderr.write('no C compiler: tests of a blocked spawn are skipped\n')
    return undefined
  }
  const folder = mkdtempSync(join(tmpdir(), 'cutover-blocked-'))
  const [source, library, program] = ['slow.c', 'slow.so', 'slow-node'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ]
  writeFileSync(source, SOURCE)
  const defines = [`-DTARGET="${program}"`, `-DSECONDS=${seconds}`]
  execFileSync('cc', ['-shared', '-fPIC', ...defines, '-o', library, source, '-ldl'])
  cpSync(readlinkSync('/proc/self/exe'), program)
  return { library, program, remove: () => rmSync(folder, { recursive: true, force: true }) }
}

export interface WorkerProcess {
  readonly pid: number
  /** Its lines so far. */
  said(): readonly string[]
  stop(): Promise<void>
}

const running = new Set<ChildProcess>()
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

export async function startWorker(
  order: WorkerOrder,
  more: { readonly env?: Readonly<Record<string, string>>; readonly node?: readonly string[] } = {},
): Promise<WorkerProcess> {
  const script = new URL('./mcp-worker.ts', import.meta.url).pathname
  const child = spawn(process.execPath, [...(more.node ?? []), script, JSON.stringify(order)], {
    env: { ...process.env, ...more.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  running.add(child)
  let out = ''
  let errors = ''
  child.stdout.on('data', (chunk: Buffer) => {
    out += chunk.toString()
  })
  child.stderr.on('data', (chunk: Buffer) => {
    errors += chunk.toString()
  })
  const isGone = (): boolean => child.exitCode !== null || child.signalCode !== null
  await until(
    () => {
      if (isGone()) throw new Error(`the worker ended with ${child.exitCode ?? child.signalCode}: ${errors}`)
      return out.includes('working')
    },
    'a worker that works',
    40_000,
  )
  return {
    pid: child.pid ?? 0,
    said: () => out.split('\n'),
    stop: async () => {
      running.delete(child)
      if (isGone()) return
      const gone = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGKILL')
      await gone
    },
  }
}
