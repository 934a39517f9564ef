// The main thread's side of the watch over one probe (`watchdog-thread.ts`): it beats, says which phase it is in, and asks
// for the end. Everything that it says goes through shared memory or a file, so that it is known when the loop stands still.

import { Worker } from 'node:worker_threads'
import { MCP_PHASES, type McpPhase } from './config.ts'
import { Crumbs } from './crumbs.ts'
import { MARK, ProcessTree } from './process-tree.ts'
import {
  type EndMessage,
  SLOT,
  SLOTS,
  type ThreadMessage,
  type WatchInput,
  type WatchReport,
} from './watch-protocol.ts'

const BEAT_MS = 25
/** Killing takes at most 1.5 s, looking a little. */
const END_MS = 1900
const LONGEST_MS = 60_000

export interface WatchOptions {
  /** Unique for this probe; all that the server starts carries it. */
  readonly mark: string
  readonly crumbs?: string | undefined
  /** Ms since 1970. */
  readonly deadlineAt: number
}

export class Watchdog {
  /** For the environment of the server. */
  readonly env: Readonly<Record<string, string>>
  readonly #mark: string
  readonly #thread: Worker
  readonly #shared: Float64Array
  readonly #crumbs: Crumbs
  readonly #beat: NodeJS.Timeout
  readonly #report: Promise<WatchReport>

  private constructor(options: WatchOptions) {
    const shared = new SharedArrayBuffer(SLOTS * 8)
    this.#shared = new Float64Array(shared)
    this.#shared[SLOT.phase] = -1
    this.#crumbs = new Crumbs(options.crumbs)
    this.#mark = options.mark
    this.env = { [MARK]: options.mark }
    const workerData: WatchInput = {
      shared,
      mark: options.mark,
      deadlineAt: options.deadlineAt,
      ...(options.crumbs === undefined ? {} : { crumbs: options.crumbs }),
    }
    const file = import.meta.url.endsWith('.ts') ? './watchdog-thread.ts' : './watchdog-thread.js'
    // what the process was started with (loaders, preloads, inspectors) is not the thread's
    this.#thread = new Worker(new URL(file, import.meta.url), { workerData, execArgv: [] })
    this.#thread.unref()
    this.#report = new Promise((resolve, reject) => {
      this.#thread.on('message', (message: ThreadMessage) => {
        if (message.type === 'report') resolve(message.report)
      })
      this.#thread.once('error', reject)
      this.#thread.once('exit', () => reject(new Error('the watching thread ended before it reported')))
    })
    this.#report.catch(() => {}) // asked for at the end
    const beat = (): void => {
      this.#shared[SLOT.beat] = Date.now()
    }
    beat()
    this.#beat = setInterval(beat, BEAT_MS)
    this.#beat.unref()
  }

  /** Resolves when the thread watches. */
  static async start(options: WatchOptions): Promise<Watchdog> {
    const watchdog = await Watchdog.startWithin(LONGEST_MS, options)
    if (watchdog === undefined) throw new Error('the watching thread did not start')
    return watchdog
  }

  /** Undefined when the thread does not watch within `limitMs`. */
  static async startWithin(limitMs: number, options: WatchOptions): Promise<Watchdog | undefined> {
    const watchdog = new Watchdog(options)
    let timer: NodeJS.Timeout | undefined
    const isUp = await new Promise<boolean>((resolve, reject) => {
      timer = setTimeout(() => resolve(false), limitMs)
      watchdog.#thread.once('message', () => resolve(true))
      watchdog.#thread.once('error', reject)
    }).finally(() => clearTimeout(timer))
    if (isUp) return watchdog
    watchdog.#stop()
    return undefined
  }

  #stop(): Promise<number> {
    clearInterval(this.#beat)
    this.#crumbs.remove()
    return this.#thread.terminate()
  }

  enter(phase: McpPhase, limitMs: number): void {
    const now = Date.now()
    this.#shared[SLOT.beat] = now
    this.#shared[SLOT.phaseBegan] = now
    this.#shared[SLOT.phaseEnds] = now + limitMs
    this.#shared[SLOT.phase] = MCP_PHASES.indexOf(phase)
    this.#crumbs.drop(`begins ${phase}`)
  }

  leave(phase: McpPhase, ok: boolean): void {
    this.#shared[SLOT.beat] = Date.now()
    this.#shared[SLOT.phase] = -1
    this.#crumbs.drop(`${ok ? 'ended' : 'failed'} ${phase}`)
  }

  /** The server's process. */
  child(pid: number | undefined): void {
    this.#shared[SLOT.pid] = pid ?? 0
  }

  /** Ends the watch and leaves what was started: somebody else sees to its end. */
  async release(): Promise<void> {
    clearInterval(this.#beat)
    this.#crumbs.close()
    await this.#thread.terminate()
  }

  /** For when the thread gives no answer. */
  #endHere(): WatchReport {
    const tree = new ProcessTree(this.#mark, this.#shared[SLOT.pid] || undefined)
    const found = tree.alive().length
    tree.signal('SIGKILL')
    return { looks: [], found, left: tree.alive().length }
  }

  /** Looks, kills what is left of the server, and answers what was seen. */
  async end(failed: boolean): Promise<WatchReport> {
    const message: EndMessage = { type: 'end', failed }
    this.#thread.postMessage(message)
    const late = new Promise<WatchReport>((resolve) => {
      setTimeout(() => resolve(this.#endHere()), END_MS).unref()
    })
    try {
      this.#thread.ref()
      return await Promise.race([this.#report, late])
    } finally {
      // what the notes say is told by whoever asked for the end
      await this.#stop()
    }
  }
}
