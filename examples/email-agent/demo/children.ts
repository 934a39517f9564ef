// Keeps the application's processes alive: what dies is started again after a short pause, whoever killed it. Which
// process is which is in `pids.json` in the work folder.

import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DemoFailure } from './failure.ts'
import { replaceFile } from './folder.ts'
import type { FromChild, Go, Pace } from './messages.ts'

const PROCESS = join(import.meta.dirname, '..', 'process.ts')
const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 2000
/** A process that ends by itself this often before it is ready will not become so. */
const MOST_FALSE_STARTS = 5
const STOP_MS = 8000

export interface ChildrenOptions {
  readonly folder: string
  readonly env: NodeJS.ProcessEnv
  /** Added to the environment of a role. */
  readonly envOf?: Readonly<Record<string, NodeJS.ProcessEnv>>
  /** Name → arguments of `process.ts`. */
  readonly roles: Readonly<Record<string, readonly string[]>>
  /** What runs for a role in place of `process.ts`; one that ends with 0 has done what it was to do. */
  readonly programs?: Readonly<Record<string, string>>
  readonly onMessage: (role: string, message: FromChild) => void
  readonly onDeath: (role: string, how: string) => void
}

interface Kept {
  readonly role: string
  readonly args: readonly string[]
  process?: ChildProcess
  starts: number
  /** Deaths since it was last ready, and how many of them were its own doing. */
  deaths: number
  falseStarts: number
  again?: NodeJS.Timeout
}

export class Children {
  readonly #options: ChildrenOptions
  readonly #kept: Map<string, Kept>
  /** Rejects when a process cannot be kept alive. */
  readonly failed: Promise<never>
  #fail: (error: DemoFailure) => void = () => {}
  #stopping = false

  constructor(options: ChildrenOptions) {
    this.#options = options
    this.failed = new Promise((_resolve, reject) => {
      this.#fail = reject
    })
    this.failed.catch(() => {}) // whoever waits for it hears of it
    this.#kept = new Map(
      Object.entries(options.roles).map(([role, args]) => [role, { role, args, starts: 0, deaths: 0, falseStarts: 0 }]),
    )
  }

  /** Processes that died and were started again. */
  get restarts(): number {
    return [...this.#kept.values()].reduce((sum, { starts }) => sum + Math.max(0, starts - 1), 0)
  }

  start(): void {
    for (const kept of this.#kept.values()) this.#start(kept)
  }

  send(role: string, message: Go | Pace): void {
    const child = this.#kept.get(role)?.process
    // one that dies at this moment is told again when it is ready
    if (child?.connected) child.send(message, () => {})
  }

  #start(kept: Kept): void {
    const { folder, env: shared, envOf, onMessage, onDeath } = this.#options
    const env = { ...shared, ...envOf?.[kept.role] }
    const log = openSync(this.#logOf(kept), 'a')
    const program = this.#options.programs?.[kept.role]
    const child = spawn(process.execPath, [program ?? PROCESS, ...kept.args], {
      env,
      stdio: ['ignore', log, log, 'ipc'],
    })
    closeSync(log)
    kept.process = child
    kept.starts += 1
    this.#writePids(folder)
    child.on('message', (message: FromChild) => {
      if (message.kind === 'ready') Object.assign(kept, { deaths: 0, falseStarts: 0 })
      if (message.kind === 'unable') this.#fail(new DemoFailure(message.message))
      else onMessage(kept.role, message)
    })
    child.once('error', (cause) => this.#fail(new DemoFailure(`${kept.role} cannot be started: ${cause.message}`)))
    child.once('exit', (code, signal) => {
      if (this.#stopping || (program !== undefined && code === 0)) return
      onDeath(kept.role, signal ?? `status ${code}`)
      this.#startAgain(kept, signal === null)
    })
  }

  #startAgain(kept: Kept, byItself: boolean): void {
    kept.deaths += 1
    if (byItself) kept.falseStarts += 1
    if (kept.falseStarts >= MOST_FALSE_STARTS) {
      const lines = readFileSync(this.#logOf(kept), 'utf8').trimEnd().split('\n').slice(-12).join('\n')
      const message = `the process ${kept.role} ended ${kept.falseStarts} times before it was ready; its last lines in ${this.#logOf(kept)}:\n${lines}`
      this.#fail(new DemoFailure(message))
      return
    }
    const pause = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (kept.deaths - 1))
    kept.again = setTimeout(() => this.#start(kept), pause)
  }

  #logOf({ role }: Kept): string {
    return join(this.#options.folder, `${role}.log`)
  }

  #writePids(folder: string): void {
    const pids = [...this.#kept.values()].map(({ role, process: child, starts }) => [role, { pid: child?.pid, starts }])
    const text = JSON.stringify({ parent: process.pid, children: Object.fromEntries(pids) }, null, 2)
    replaceFile(join(folder, 'pids.json'), `${text}\n`)
  }

  /** Asks all to end and waits; who does not in time is killed. */
  async stop(): Promise<void> {
    this.#stopping = true
    await Promise.all([...this.#kept.values()].map((kept) => stopChild(kept)))
  }

  /** Ends all at once. */
  kill(): void {
    this.#stopping = true
    for (const { process: child, again } of this.#kept.values()) {
      clearTimeout(again)
      child?.kill('SIGKILL')
    }
  }
}

async function stopChild({ process: child, again }: Kept): Promise<void> {
  clearTimeout(again)
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
  const gone = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGTERM')
  const late = setTimeout(() => child.kill('SIGKILL'), STOP_MS)
  await gone
  clearTimeout(late)
}
