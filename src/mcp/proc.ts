// What the system knows of processes: from `/proc` on Linux, from `ps` elsewhere. Everything is read synchronously, as it
// is read while an event loop stands still, and nothing here throws: a process may be gone at any moment.

import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { basename } from 'node:path'

export const HAS_PROC = process.platform === 'linux'

/** One process, told from a later one with the same number by its start time. */
export interface Proc {
  readonly pid: number
  readonly ppid: number
  readonly pgid: number
  /** In the system's own unit; only ever compared. */
  readonly started: string
  /** `R`, `S`, `D`, `T`, `Z`, … */
  readonly state: string
  readonly threads?: number
}

export function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

/** One process; undefined when it is gone. */
export function procOf(pid: number): Proc | undefined {
  return HAS_PROC ? fromStat(pid) : fromPs(['-p', String(pid)])[0]
}

/** All that this user may see. */
export function allProcs(): readonly Proc[] {
  if (!HAS_PROC) return process.platform === 'win32' ? [] : fromPs(['-A'])
  return pids().flatMap((pid) => fromStat(pid) ?? [])
}

function pids(): readonly number[] {
  try {
    return readdirSync('/proc').flatMap((name) => (/^\d+$/.test(name) ? [Number(name)] : []))
  } catch {
    return []
  }
}

function fromStat(pid: number): Proc | undefined {
  const stat = read(`/proc/${pid}/stat`)
  if (stat === undefined) return undefined
  // the name may hold spaces and brackets
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const [state = '', ppid, pgid] = fields
  return {
    pid,
    ppid: Number(ppid),
    pgid: Number(pgid),
    started: fields[19] ?? '',
    state,
    threads: Number(fields[17]),
  }
}

function fromPs(which: readonly string[]): readonly Proc[] {
  let out: string
  try {
    out = execFileSync('ps', [...which, '-o', 'pid=,ppid=,pgid=,stat=,lstart='], {
      encoding: 'utf8',
      timeout: 3000,
      stdio: ['ignore', 'pipe', 'ignore'],
    })
  } catch {
    return []
  }
  return out.split('\n').flatMap((line) => {
    const match = /^\s*(\d+)\s+(\d+)\s+(\d+)\s+(\S+)\s+(.+)$/.exec(line)
    if (match === null) return []
    const [, pid, ppid, pgid, stat = '', started = ''] = match
    return [{ pid: Number(pid), ppid: Number(ppid), pgid: Number(pgid), started, state: stat[0] ?? '' }]
  })
}

/** Alive, and the one that was seen: a zombie is dead. */
export function isAlive({ pid, started }: Pick<Proc, 'pid' | 'started'>): boolean {
  const now = procOf(pid)
  return now !== undefined && now.started === started && now.state !== 'Z' && now.state !== 'X'
}

/** Ticks a second in which `/proc` counts start times; 100 on every Linux that Node runs on. */
export const TICKS = 100

/** When it started, ms since 1970; 0 where that cannot be had; undefined when it is gone. */
export function startOf(pid: number): number | undefined {
  const proc = procOf(pid)
  if (proc === undefined || proc.state === 'Z' || proc.state === 'X') return undefined
  if (!HAS_PROC) return 0
  const uptime = Number((read('/proc/uptime') ?? '').split(' ')[0])
  return Date.now() - (uptime - Number(proc.started) / TICKS) * 1000
}

export function commandLine(pid: number): string | undefined {
  return HAS_PROC ? read(`/proc/${pid}/cmdline`) : undefined
}

/** The program's name, without arguments. */
export function commandName(pid: number): string {
  try {
    return basename(readlinkSync(`/proc/${pid}/exe`))
  } catch {
    return read(`/proc/${pid}/comm`)?.trim() ?? '?' // of another user
  }
}

/** In what the kernel makes it wait; undefined where that cannot be had. */
export function waitsIn(pid: number): string | undefined {
  const wchan = read(`/proc/${pid}/wchan`)?.trim()
  return wchan === undefined || wchan === '' || wchan === '0' ? undefined : wchan
}

/** Whether its environment holds `NAME=value`: how descendants are found that left group, session and parent. */
export function hasMark(pid: number, mark: string): boolean {
  const environ = HAS_PROC ? read(`/proc/${pid}/environ`) : undefined
  return environ !== undefined && `\0${environ}`.includes(`\0${mark}\0`)
}

/** Whether it runs the same program with the same arguments as `other`: of a child, that it was forked and has not reached exec. */
export function runsTheSame(pid: number, other: number): boolean {
  try {
    const [exe, others] = [readlinkSync(`/proc/${pid}/exe`), readlinkSync(`/proc/${other}/exe`)]
    return exe === others && commandLine(pid) === commandLine(other)
  } catch {
    return false
  }
}
