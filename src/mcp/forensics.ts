// What a process is doing, for people: read from `/proc`, from the preload's file, and from the main thread's inspector.
// What cannot be had on this platform is said.

import { existsSync } from 'node:fs'
import { constants } from 'node:os'
import type { Call } from './calls.ts'
import { callFile } from './crumbs.ts'
import { commandName, HAS_PROC, type Proc, procOf, read, runsTheSame, TICKS, waitsIn } from './proc.ts'

/** A heading and its lines. */
export interface Detail {
  readonly what: string
  readonly lines: readonly string[]
}

const STATES: Readonly<Record<string, string>> = {
  R: 'running',
  S: 'sleeping',
  D: 'in uninterruptible sleep (disk or network file system)',
  T: 'stopped',
  t: 'stopped by a debugger',
  Z: 'dead, its parent has not asked for its end',
  X: 'dead',
}

/** One process in one line, without its arguments. */
export function describeProcess({ pid, ppid, state, threads }: Proc): string {
  const where = state === 'R' ? undefined : waitsIn(pid)
  const parts = [`pid ${pid} ${commandName(pid)} (parent ${ppid}): ${STATES[state] ?? state}`]
  if (where !== undefined) parts.push(` in ${where}`)
  if (threads !== undefined) parts.push(`, ${threads} thread${threads === 1 ? '' : 's'}`)
  const { blocked, ignored } = signalsOf(pid)
  if (blocked.length > 0) parts.push(`; blocks ${blocked.join(', ')}`)
  if (ignored.length > 0) parts.push(`; ignores ${ignored.join(', ')}`)
  return parts.join('')
}

export function describeProcesses(what: string, procs: readonly Proc[]): Detail {
  if (!HAS_PROC && procs.length === 0)
    return { what, lines: [`not to be had on ${process.platform}: there is no /proc`] }
  if (procs.length === 0) return { what, lines: ['none is left'] }
  return { what, lines: procs.slice(0, 20).map(describeProcess) }
}

/** Signals by which a process is usually asked to end; others are noise here. */
const ASKED = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGCHLD', 'SIGPIPE'] as const

function signalsOf(pid: number): { blocked: readonly string[]; ignored: readonly string[] } {
  const status = read(`/proc/${pid}/status`) ?? ''
  const named = (field: string): readonly string[] => {
    const mask = BigInt(`0x${new RegExp(`^${field}:\\s*([0-9a-f]+)`, 'm').exec(status)?.[1] ?? '0'}`)
    return ASKED.filter((name) => (mask >> BigInt(constants.signals[name] - 1)) & 1n)
  }
  // node and others ignore SIGPIPE as a rule
  return { blocked: named('SigBlk'), ignored: named('SigIgn').filter((name) => name !== 'SIGPIPE') }
}

const TICKS_SLACK = 10

/**
 * The child of this process that was forked within the last `sinceMs` and has not reached exec: one thread, the same
 * program and arguments as its parent. `spawn` waits for exactly this in a blocking read.
 */
export function forkedNotExecd(all: readonly Proc[], sinceMs: number): Proc | undefined {
  const uptime = Number((read('/proc/uptime') ?? '').split(' ')[0])
  const oldest = uptime * TICKS - (sinceMs / 1000) * TICKS - TICKS_SLACK
  return all.find(
    ({ pid, ppid, threads, started }) =>
      ppid === process.pid && threads === 1 && Number(started) >= oldest && runsTheSame(pid, process.pid),
  )
}

/** In what this process's main thread waits in the kernel. */
export function mainThreadWait(pid = process.pid): Detail {
  const what = 'the main thread in the kernel'
  if (!HAS_PROC) return { what, lines: [`not to be had on ${process.platform}: there is no /proc`] }
  const state = procOf(pid)?.state ?? '?'
  const where = read(`/proc/${pid}/task/${pid}/wchan`)?.trim()
  return { what, lines: [`${STATES[state] ?? state}${where === undefined || where === '0' ? '' : ` in ${where}`}`] }
}

/** What the preload of a process says; undefined without one. */
export function currentCall(pid = process.pid): Call | undefined {
  const path = callFile(pid)
  const text = path === undefined || !existsSync(path) ? undefined : read(path)
  if (text === undefined || text.trim() === '') return undefined
  try {
    return JSON.parse(text) as Call
  } catch {
    return undefined
  }
}

export function describeCall(call: Call | undefined): Detail {
  const what = 'the last call that starts a process'
  if (call === undefined)
    return { what, lines: ['not known: start the worker with node --import cutover/preload to have it'] }
  const { call: name, program, at, stack, returned } = call
  const ms = Date.now() - at
  const head = returned
    ? `${name}("${program}") returned`
    : `${name}("${program}") has not returned for ${(ms / 1000).toFixed(1)} s`
  return { what, lines: [head, ...stack] }
}
