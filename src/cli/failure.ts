// How is an error told? One clear message for what can be expected; a stack only where somebody asked to debug.

import { redactDeep, redactSecrets } from '../report/redact.ts'
import { CutoverError, type ErrorDetails } from '../vocabulary/errors.ts'
import { EXIT, type ExitCode } from './io.ts'

export interface Failure {
  readonly exit: ExitCode
  readonly code: string
  readonly message: string
  readonly details: ErrorDetails
}

/** Wrong names and options of the call itself. */
const USAGE: ReadonlySet<string> = new Set(['usage', 'migration-unknown'])

/** The configuration may have a copy of this library of its own: known by its form, not by its class. */
function isExpected(error: unknown): error is CutoverError {
  if (error instanceof CutoverError) return true
  return (
    error instanceof Error && error.name === 'CutoverError' && typeof (error as { code?: unknown }).code === 'string'
  )
}

export function failureOf(error: unknown): Failure {
  if (isExpected(error)) {
    const exit = USAGE.has(error.code) ? EXIT.usage : EXIT.error
    return { exit, code: error.code, message: error.message, details: error.details ?? {} }
  }
  const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
  return { exit: EXIT.error, code: 'unexpected', message, details: {} }
}

export function failureText({ code, message }: Failure): string {
  const hint = code === 'unexpected' ? '\nThis was not expected; --debug shows where it comes from.' : ''
  return `cutover: ${message} [${code}]${hint}\n`
}

export function failureJson({ code, message, details }: Failure): unknown {
  return redactDeep({ error: { code, message, details } })
}

/** The stack with all causes, for `--debug`. */
export function debugText(error: unknown): string {
  const lines: string[] = []
  for (
    let at: unknown = error;
    at !== undefined && lines.length < 10;
    at = at instanceof Error ? at.cause : undefined
  ) {
    const text = at instanceof Error ? (at.stack ?? at.message) : String(at)
    lines.push(lines.length === 0 ? text : `caused by: ${text}`)
  }
  return `${redactSecrets(lines.join('\n'))}\n`
}
