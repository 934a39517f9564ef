// Tries a server in a plain process beside this one: a process group of its own, with the deadline here. Whatever hangs in
// it, this ends in time, and nothing of it is left.

import { fileURLToPath } from 'node:url'
import type { ProbeRecord } from '../vocabulary/probe.ts'
import { describeServer, type McpServerSettings } from './config.ts'
import { Crumbs, crumbFile, readCrumbs, tidyCrumbs } from './crumbs.ts'
import type { ProbeRequest } from './probe.ts'
import { killTree, MARK, ProcessTree } from './process-tree.ts'
import { type ReadyServer, readyServer } from './ready.ts'
import { notTried } from './worker-probe.ts'

export const RESULT_MARK = 'cutover-probe:'

/** What the process is sent. */
export interface BaselineInput {
  readonly request: Omit<ProbeRequest, 'server' | 'deadlineMs'>
  readonly server:
    | Extract<ReadyServer, { transport: 'stdio' }>
    | { readonly transport: 'http' | 'sse'; readonly url: string; readonly headers: Readonly<Record<string, string>> }
  /** Ms since 1970. */
  readonly deadlineAt: number
}

/** After its deadline the process has this long to kill and to tell; then it is killed itself. */
const TELL_MS = 1800
const SAMPLE_MS = 250
/** What may be loaded into every process of this environment is not into a plain one. */
const NOT_PLAIN = ['NODE_OPTIONS', 'LD_PRELOAD', 'DYLD_INSERT_LIBRARIES', MARK]

/** Never rejects for what the server or the process does. */
export async function probeBaseline(
  settings: McpServerSettings,
  id: string,
  deadlineMs: number,
  signal?: AbortSignal,
): Promise<ProbeRecord> {
  const { name, timeouts, sample } = settings
  const reached = describeServer(settings)
  const { server, missing, secrets } = readyServer(settings)
  const base = { id, server: name, place: 'baseline', ms: 0, phases: [], reached } as const
  if (server === undefined) return { ...base, ...notTried('env-missing', `not set here: ${missing.join(', ')}`) }
  const request = { id, name, place: 'baseline', timeouts, reached, secrets, ...(sample && { sample }) } as const
  const input: BaselineInput = {
    request,
    server: server.transport === 'stdio' ? server : { ...server, url: server.url.href },
    deadlineAt: Date.now() + deadlineMs,
  }
  tidyCrumbs()
  const began = performance.now()
  const { told, ended } = await runPlain(input, `${id}-${name}-baseline`, { limitMs: deadlineMs + TELL_MS, signal })
  const crumbs = crumbFile(id, name, 'baseline')
  try {
    if (told !== undefined) return told
    return {
      ...base,
      ms: Math.round(performance.now() - began),
      ...silent(
        readCrumbs(crumbs).map(({ what }) => what),
        ended,
      ),
    }
  } finally {
    new Crumbs(crumbs).remove()
  }
}

interface Plain {
  /** Its answer; undefined when it gave none in time. */
  readonly told?: ProbeRecord
  /** How it ended by itself. */
  readonly ended?: string
}

async function runPlain(
  input: BaselineInput,
  mark: string,
  { limitMs, signal }: { readonly limitMs: number; readonly signal: AbortSignal | undefined },
): Promise<Plain> {
  const { execa } = await import('execa')
  const file = (name: string): URL =>
    new URL(`./${name}.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`, import.meta.url)
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !NOT_PLAIN.includes(name)))
  const started = execa(process.execPath, ['--import', file('preload').href, fileURLToPath(file('baseline-process'))], {
    env: { ...env, [MARK]: mark, CUTOVER_AWAITS: '1' },
    extendEnv: false,
    detached: process.platform !== 'win32',
    cleanup: false,
    buffer: false,
    reject: false,
    stdin: 'pipe',
    stdout: 'pipe',
    stderr: 'ignore',
  })
  const child = started.nodeChildProcess
  const tree = new ProcessTree(mark, child.pid)
  let out = ''
  child.stdout?.on('data', (chunk: Buffer) => {
    out += chunk.toString('utf8')
  })
  child.stdin?.on('error', () => {}) // its exit says more
  child.stdin?.end(JSON.stringify(input))
  const sampling = setInterval(() => tree.sample(), SAMPLE_MS)
  let timer: NodeJS.Timeout | undefined
  // not the promise of the library: it waits for streams that a server left behind may hold open
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const answered = new Promise<void>((resolve) => child.stdout?.once('close', () => resolve()))
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, limitMs)
    signal?.addEventListener('abort', () => resolve(), { once: true })
  })
  await Promise.race([exited.then(() => Promise.race([answered, late])), late])
  clearTimeout(timer)
  clearInterval(sampling)
  const end = child.signalCode ?? (child.exitCode === null ? undefined : `exit code ${child.exitCode}`)
  await killTree(tree)
  child.stdout?.destroy()
  const line = out.split('\n').find((each) => each.startsWith(RESULT_MARK))
  return {
    ...(line === undefined ? {} : { told: JSON.parse(line.slice(RESULT_MARK.length)) as ProbeRecord }),
    ...(end === undefined ? {} : { ended: end }),
  }
}

function silent(crumbs: readonly string[], ended: string | undefined): Pick<ProbeRecord, 'class' | 'hang'> {
  const last = crumbs.findLast((what) => what.startsWith('begins '))
  const where = last === undefined ? 'before its first phase' : `after it ${last.replace('begins', 'began')}`
  return {
    class: ended === undefined ? 'loop-blocked' : 'worker-went-down',
    hang: {
      sentence:
        ended === undefined
          ? `The plain process gave no answer, ${where}: its event loop stood still, and it was killed.`
          : `The plain process ended (${ended}) ${where}.`,
      details: [{ what: 'its breadcrumbs', lines: crumbs.slice(-12) }],
    },
  }
}
