// What was it that failed? From an error, the phase it came in and what was seen meanwhile, to one class. Pure.

import type { ProbeFailure } from '../vocabulary/probe.ts'
import { ProbeError } from './classes.ts'
import type { McpPhase } from './config.ts'
import { ServerEnded } from './connection.ts'
import type { Look } from './watch-protocol.ts'

/** A phase was not over in time. */
export class PhaseTimeout extends Error {
  readonly limitMs: number

  constructor(limitMs: number) {
    super(`not over within ${limitMs} ms`)
    this.name = 'PhaseTimeout'
    this.limitMs = limitMs
  }
}

export interface Failed {
  readonly error: unknown
  readonly phase: McpPhase
  readonly transport: 'stdio' | 'http' | 'sse'
  /** What the transport noticed first, a bound or a refusal. */
  readonly noticed?: ProbeError | undefined
  /** An error that belonged to no request. */
  readonly stray?: Error | undefined
  /** Bytes on standard output that were no messages. */
  readonly noise: number
  readonly looks: readonly Look[]
  /** How long the phase took, and how long it was to take. */
  readonly tookMs: number
  readonly limitMs: number
}

export interface Classified {
  readonly failure: ProbeFailure
  /** What was said or seen, in one line. */
  readonly message: string
}

export function classify(failed: Failed): Classified {
  const { error, phase, noticed, looks, tookMs, limitMs } = failed
  const blocked = looks.find(({ kind }) => kind === 'spawn-blocked')
  if (blocked !== undefined) return { failure: 'spawn-blocked', message: 'the child process was not created in time' }
  if (looks.length > 0) return { failure: 'loop-blocked', message: `the event loop stood still in phase ${phase}` }
  if (noticed !== undefined) return { failure: noticed.failure, message: noticed.message }
  if (error instanceof ProbeError) return { failure: error.failure, message: error.message }
  if (error instanceof PhaseTimeout) return late(failed)
  if (error instanceof ServerEnded || isClosed(error))
    return { failure: 'crashed', message: `it ended in phase ${phase}` }
  if (phase === 'spawn' && tookMs > limitMs) return { failure: 'spawn-blocked', message: messageOf(error) }
  return answered(error, failed)
}

function late({ phase, transport, noise, stray, limitMs }: Failed): Classified {
  const within = `within ${limitMs} ms`
  if (stray !== undefined && isNotAMessage(stray)) return { failure: 'protocol-error', message: messageOf(stray) }
  if (phase === 'spawn') {
    if (transport === 'sse') return { failure: 'sse-no-endpoint', message: `no endpoint was named ${within}` }
    return { failure: 'spawn-blocked', message: `the child process was not there ${within}` }
  }
  if (noise > 0) {
    return { failure: 'stdout-pollution', message: `no answer ${within}, and ${noise} bytes that are no messages` }
  }
  if (phase === 'initialize') return { failure: 'no-initialize', message: `no answer to initialize ${within}` }
  const failure = phase === 'call' ? 'timeout-call' : 'timeout-list'
  return { failure, message: `no answer ${within}` }
}

/** An answer, but a wrong one. */
function answered(error: unknown, { phase, transport }: Failed): Classified {
  const message = messageOf(error)
  if (/protocol version is not supported/i.test(message)) return { failure: 'protocol-version', message }
  if (/\b(401|403|unauthori[sz]ed|forbidden|invalid (api |access )?(token|key)|bad credentials)\b/i.test(message))
    return { failure: 'auth', message }
  if (phase === 'call') return { failure: 'call-failed', message }
  const code = (error as { code?: unknown }).code
  if (phase === 'list' && code === METHOD_NOT_FOUND)
    return { failure: 'no-tools', message: 'it offers no tools at all' }
  if (phase === 'spawn' && transport === 'sse' && !isNotAMessage(error)) {
    // what the library says when the other side hangs up
    const ended = /undefined/.test(message)
    return { failure: 'sse-no-endpoint', message: ended ? 'the event stream ended before it did' : message }
  }
  return { failure: 'protocol-error', message }
}

const METHOD_NOT_FOUND = -32_601
const CONNECTION_CLOSED = -32_000

function isClosed(error: unknown): boolean {
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown }
  // a server may answer with the same code
  return (
    (code === CONNECTION_CLOSED && /connection closed/i.test(String(message))) ||
    message === 'the server is gone' ||
    code === 'EPIPE'
  )
}

function isNotAMessage(error: unknown): boolean {
  const { name } = (error ?? {}) as { name?: unknown }
  return name === 'ZodError' || name === '$ZodError' || name === 'SyntaxError'
}

/** In one line, cut: a schema's complaint may have thousands. */
export function messageOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error)
  if (isNotAMessage(error)) return `its answer has not the form of the protocol: ${firstIssue(message)}`
  return message.replace(/\s+/g, ' ').slice(0, 300)
}

function firstIssue(message: string): string {
  try {
    const [issue] = JSON.parse(message) as { path?: unknown[]; message?: string }[]
    return `${issue?.path?.join('.') ?? ''} ${issue?.message ?? ''}`.trim().slice(0, 200)
  } catch {
    return message.replace(/\s+/g, ' ').slice(0, 200)
  }
}
