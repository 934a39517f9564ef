// What is kept of whatever a handler threw? Name and code decide a comparison, message and stack are for people.

import { inspect } from 'node:util'
import type { StoredError } from '../vocabulary/outcome.ts'

const MAX_NAME = 100
const MAX_MESSAGE = 2000
const MAX_STACK = 2000
const MAX_HEADLINE = 200

/** The name under which anything is stored that was thrown and is no error. */
export const NOT_AN_ERROR = 'NonError'

/** Cuts to `length` characters, never through a surrogate pair, and says how much there was. */
export function cutText(text: string, length: number): string {
  if (text.length <= length) return text
  const head = text.slice(0, length)
  const whole = /[\uD800-\uDBFF]$/.test(head) ? head.slice(0, -1) : head
  return `${whole}… (${text.length} characters)`
}

/** Never throws: getters that do, proxies and values without a text are noted as such. */
export function encodeError(thrown: unknown): StoredError {
  if (typeof thrown !== 'object' || thrown === null) return nonError(thrown)
  const name = read(thrown, 'name')
  const message = read(thrown, 'message')
  if (typeof message !== 'string' && typeof name !== 'string') return nonError(thrown)
  const code = read(thrown, 'code')
  const shown = {
    name: cutText(typeof name === 'string' && name !== '' ? name : 'Error', MAX_NAME),
    message: cutText(messageOf(thrown, message), MAX_MESSAGE),
  }
  const stack = stackOf(read(thrown, 'stack'), shown)
  return {
    ...shown,
    ...(typeof code === 'string' || typeof code === 'number' ? { code: cutText(String(code), MAX_NAME) } : {}),
    ...(stack === undefined ? {} : { stack }),
  }
}

function nonError(thrown: unknown): StoredError {
  return { name: NOT_AN_ERROR, message: cutText(textOf(thrown), MAX_MESSAGE) }
}

function textOf(thrown: unknown): string {
  try {
    return typeof thrown === 'string' ? thrown : inspect(thrown, { depth: 2, maxStringLength: 500, maxArrayLength: 20 })
  } catch {
    return 'a value that cannot be shown'
  }
}

function read(object: object, key: string): unknown {
  try {
    return (object as { readonly [key: string]: unknown })[key]
  } catch {
    return undefined
  }
}

/** Node's own AggregateErrors (a refused connection, say) have no message: their first error's says what happened. */
function messageOf(thrown: object, message: unknown): string {
  if (typeof message === 'string' && message !== '') return message
  const errors = read(thrown, 'errors')
  const first: unknown = Array.isArray(errors) ? errors[0] : undefined
  const inner = typeof first === 'object' && first !== null ? read(first, 'message') : undefined
  return typeof inner === 'string' ? inner : ''
}

/** The stack under a short headline: a huge message must not push the frames out. */
function stackOf(stack: unknown, shown: { name: string; message: string }): string | undefined {
  if (typeof stack !== 'string') return undefined
  const start = stack.search(/^ {4}at /m)
  if (start < 0) return undefined
  return `${shown.name}: ${cutText(shown.message, MAX_HEADLINE)}\n${cutText(stack.slice(start), MAX_STACK)}`
}
