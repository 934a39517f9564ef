// A server as a child process of this one: in a process group of its own, without a shell, with a bound on all it sends.
//
// A transport for the SDK's client. The SDK's own starts no group of its own, reads without a bound, and its `close`
// leaves what the server has started. Ending a process is done by whoever watches it (`watchdog.ts`, the pool): what
// happens here is that standard input ends.

import type { ChildProcess } from 'node:child_process'
import type { JSONRPCMessage } from '@modelcontextprotocol/sdk/types.js'
import { ProbeError } from './classes.ts'
import type { ReadyServer } from './ready.ts'

/** Bytes of one message, and of all that is sent. */
export const MAX_MESSAGE = 8 * 1024 * 1024
export const MAX_TOTAL = 64 * 1024 * 1024
/** Bytes of lines that are no messages. A banner is forgiven, a log is not. */
const MAX_NOISE = 256 * 1024
const STDERR_KEPT = 8 * 1024
const NOISE_KEPT = 200

type StdioReady = Extract<ReadyServer, { transport: 'stdio' }>

export interface StdioOptions {
  readonly server: StdioReady
  /** Added to its environment, so that all it starts can be found again. */
  readonly mark?: Readonly<Record<string, string>>
  /** All bytes; default `MAX_TOTAL`. A client that lives long gives `Infinity`. */
  readonly maxTotal?: number
}

export interface ServerExit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export class StdioTransport {
  onclose?: () => void
  onerror?: (error: Error) => void
  onmessage?: (message: JSONRPCMessage) => void
  readonly #o: StdioOptions
  #child: ChildProcess | undefined
  #pending: Buffer[] = []
  #pendingBytes = 0
  #total = 0
  #noise = 0
  #noiseText = ''
  #stderr = ''
  #exit: ServerExit | undefined
  #failure: ProbeError | undefined
  #ended: (() => void)[] = []

  constructor(options: StdioOptions) {
    this.#o = options
  }

  get pid(): number | undefined {
    return this.#child?.pid
  }
  get exit(): ServerExit | undefined {
    return this.#exit
  }
  /** Why it was given up: a bound was passed. */
  get failure(): ProbeError | undefined {
    return this.#failure
  }
  /** The last bytes of its standard error. */
  get stderr(): string {
    return this.#stderr
  }
  /** Bytes on standard output that were no messages, and the first of them. */
  get noise(): { readonly bytes: number; readonly text: string } {
    return { bytes: this.#noise, text: this.#noiseText }
  }

  /** Loads the library that starts processes; apart from `start`, so that the time it takes is not the server's. */
  static async load(): Promise<typeof import('execa').execa> {
    return (await import('execa')).execa
  }

  /** Resolves when the program runs. Node waits for that in a blocking read: this may hold the whole event loop. */
  async start(): Promise<void> {
    if (this.#child !== undefined) return
    const execa = await StdioTransport.load()
    const { command, args, env, cwd } = this.#o.server
    const started = execa(command, args, {
      ...(cwd === undefined ? {} : { cwd }),
      env: { ...env, ...this.#o.mark },
      extendEnv: false,
      shell: false,
      detached: process.platform !== 'win32',
      windowsHide: true,
      cleanup: false,
      buffer: false,
      reject: false,
      encoding: 'buffer',
      stdin: 'pipe',
      stdout: 'pipe',
      stderr: 'pipe',
    })
    // its promise waits for the streams, which whatever the server has started may hold open: only `exit` tells its end
    const child = started.nodeChildProcess
    this.#child = child
    child.on('exit', (code, signal) => this.#end({ code, signal }))
    child.stdout?.on('data', (chunk: Buffer) => this.#read(chunk))
    child.stderr?.on('data', (chunk: Buffer) => {
      this.#stderr = (this.#stderr + chunk.toString('utf8')).slice(-STDERR_KEPT)
    })
    for (const stream of [child.stdin, child.stdout, child.stderr]) stream?.on('error', () => {}) // its exit says more
    if (child.pid === undefined) throw notStarted((await started).cause)
  }

  async send(message: JSONRPCMessage): Promise<void> {
    const stdin = this.#child?.stdin
    if (this.#failure !== undefined) throw this.#failure
    if (stdin === null || stdin === undefined || !stdin.writable) throw new Error('the server is gone')
    await new Promise<void>((resolve, reject) => {
      stdin.write(`${JSON.stringify(message)}\n`, (error) => {
        // a server that closes its input may still be about to say why
        if (error === null || error === undefined) resolve()
        else reject(error)
      })
    })
  }

  /** Ends its standard input. `ended` tells when it is gone. */
  async close(): Promise<void> {
    this.#child?.stdin?.end()
  }

  /** Resolves at its exit: not at the end of its streams, which whatever it has started may hold open. */
  ended(): Promise<void> {
    if (this.#exit !== undefined || this.#child?.pid === undefined) return Promise.resolve()
    return new Promise((resolve) => this.#ended.push(resolve))
  }

  /** Lets go of its streams: for after its end, when something may still hold them open. */
  release(): void {
    const child = this.#child
    for (const stream of [child?.stdin, child?.stdout, child?.stderr]) stream?.destroy()
    child?.unref()
  }

  #end(exit: ServerExit): void {
    this.#exit = exit
    for (const told of this.#ended.splice(0)) told()
    this.onclose?.()
  }

  #read(chunk: Buffer): void {
    if (this.#failure !== undefined) return
    this.#total += chunk.length
    if (this.#total > (this.#o.maxTotal ?? MAX_TOTAL)) {
      this.#giveUp('too-large', `it sent more than ${MAX_TOTAL / 2 ** 20} MB`)
      return
    }
    let rest = chunk
    for (let end = rest.indexOf(10); end !== -1; end = rest.indexOf(10)) {
      const line = Buffer.concat([...this.#pending, rest.subarray(0, end)])
      this.#pending = []
      this.#pendingBytes = 0
      rest = rest.subarray(end + 1)
      this.#line(line)
      if (this.#failure !== undefined) return
    }
    if (rest.length === 0) return
    this.#pending.push(rest)
    this.#pendingBytes += rest.length
    if (this.#pendingBytes > MAX_MESSAGE)
      this.#giveUp('too-large', `a message of it has more than ${MAX_MESSAGE / 2 ** 20} MB`)
  }

  #line(line: Buffer): void {
    const text = line.toString('utf8').trim()
    if (text === '') return
    const message = parse(text)
    if (message !== undefined) {
      this.onmessage?.(message)
      return
    }
    if (this.#noise === 0) this.#noiseText = text.slice(0, NOISE_KEPT)
    this.#noise += line.length
    if (this.#noise > MAX_NOISE)
      this.#giveUp('stdout-pollution', `it wrote ${Math.round(this.#noise / 1024)} kB that are no messages`)
  }

  #giveUp(failure: 'too-large' | 'stdout-pollution', message: string): void {
    this.#failure = new ProbeError(failure, message)
    this.#pending = []
    // no more is read: a server that floods blocks on its own pipe
    this.#child?.stdout?.pause()
    this.onclose?.()
  }
}

/** Undefined for what is no JSON-RPC message. */
function parse(text: string): JSONRPCMessage | undefined {
  if (!text.startsWith('{') && !text.startsWith('[')) return undefined
  try {
    const value: unknown = JSON.parse(text)
    const isMessage = typeof value === 'object' && value !== null && 'jsonrpc' in value
    return isMessage ? (value as JSONRPCMessage) : undefined
  } catch {
    return undefined
  }
}

function notStarted(cause: unknown): ProbeError {
  const code = (cause as NodeJS.ErrnoException | undefined)?.code ?? 'no reason was given'
  return new ProbeError('command-not-found', `the command cannot be started (${code})`)
}
