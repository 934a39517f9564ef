// The short stored text of an outcome: `<kind><attempts>.<wait>.<run>.<version>:<rest>`, numbers in base 36, times in
// microseconds; one attempt and version '1' stand as nothing. Scripts never look into it, but write two forms themselves: `S<starts>` for a job that was started too
// often and `B<starts>:<error>` for one that the backend gave up.

import type { Json, Outcome, RecordedEffect, SeenTools, StoredError } from '../../../src/vocabulary/outcome.ts'

/** Rest: nothing, the value alone, or an object of what there is. */
const KINDS = { ok: { none: 'U', value: 'K', whole: 'W' }, failed: 'E' } as const

interface Whole {
  readonly v?: Json
  readonly e?: StoredError
  readonly f?: readonly RecordedEffect[]
  readonly m?: SeenTools
}

function micros(ms: number): string {
  return Math.round(ms * 1000).toString(36)
}

/** '1' is the default version and stands as nothing. */
function versionText(version: string): string {
  return version === '1' ? '' : `.${encodeURIComponent(version)}`
}

export function encodeOutcome(outcome: Outcome): string {
  const { ok, value, error, effects, mcp } = outcome
  const attempts = outcome.attempts === 1 ? '' : outcome.attempts.toString(36)
  const filed = `${attempts}.${micros(outcome.waitMs)}.${micros(outcome.runMs)}${versionText(outcome.version)}`
  if (ok && error === undefined && effects.length === 0 && mcp === undefined) {
    return value === undefined ? `${KINDS.ok.none}${filed}:` : `${KINDS.ok.value}${filed}:${JSON.stringify(value)}`
  }
  const whole: Whole = {
    ...(value === undefined ? {} : { v: value }),
    ...(error === undefined ? {} : { e: error }),
    ...(effects.length === 0 ? {} : { f: effects }),
    ...(mcp === undefined ? {} : { m: mcp }),
  }
  return `${ok ? KINDS.ok.whole : KINDS.failed}${filed}:${JSON.stringify(whole)}`
}

function failure(starts: number, error: StoredError): Outcome {
  return { ok: false, error, effects: [], waitMs: 0, runMs: 0, attempts: starts, version: '' }
}

/** Undefined for an outcome that was not kept. */
export function decodeOutcome(text: string): Outcome | undefined {
  if (text === '') return undefined
  const kind = text[0]
  if (kind === 'S') {
    const starts = Number(text.slice(1))
    const message = `started ${starts} times without an end: it seems to kill its workers`
    return failure(starts, { name: 'CutoverError', code: 'starts-exceeded', message })
  }
  const colon = text.indexOf(':')
  const rest = text.slice(colon + 1)
  if (kind === 'B') return failure(Number(text.slice(1, colon)), JSON.parse(rest) as StoredError)
  const parts = text.slice(1, colon).split('.')
  const facts = {
    waitMs: Number.parseInt(parts[1] ?? '', 36) / 1000,
    runMs: Number.parseInt(parts[2] ?? '', 36) / 1000,
    attempts: Number.parseInt(parts[0] || '1', 36),
    version: parts.length < 4 ? '1' : decodeURIComponent(parts.slice(3).join('.')),
  }
  if (kind === KINDS.ok.none) return { ok: true, effects: [], ...facts }
  if (kind === KINDS.ok.value) return { ok: true, value: JSON.parse(rest) as Json, effects: [], ...facts }
  const whole = JSON.parse(rest) as Whole
  return {
    ok: kind === KINDS.ok.whole,
    ...(whole.v === undefined ? {} : { value: whole.v }),
    ...(whole.e === undefined ? {} : { error: whole.e }),
    effects: whole.f ?? [],
    ...(whole.m === undefined ? {} : { mcp: whole.m }),
    ...facts,
  }
}
