// What may be configured, and refused early.

import { resolve } from 'node:path'
import { type Duration, parseDuration } from '../../../src/vocabulary/duration.ts'
import { CutoverError } from '../../../src/vocabulary/errors.ts'
import type { FlagContext } from '../../unleash-engine.ts'
import { type Token, type TokenOption, tokenOf } from './tokens.ts'

export interface UnleashFlagsOptions {
  /** Address of the server, e.g. `https://unleash.example.com`; a path before `/api` is kept. */
  readonly url: string
  /** A *backend* token (older servers: *client*) of the project and environment. Default `{ env: 'UNLEASH_TOKEN' }`. */
  readonly token?: TokenOption
  /** Shown on Unleash's pages. Default `'cutover'`. */
  readonly appName?: string
  /** Within what time a change that the server shows is here; default `'5s'`. An unchanged flag costs the server a 304. */
  readonly poll?: Duration
  /** How long the last good answer stands; then every job goes to legacy with `flag-stale`. Default `'10m'`. */
  readonly maxStale?: Duration
  /** How long one question may take; default `'3s'`. */
  readonly timeout?: Duration
  /** Largest answer taken, MB; default 20. */
  readonly maxAnswer?: number
  /** A saved answer of `/api/client/features`, used until the server answers for the first time. */
  readonly bootstrap?: string
  /** How often exposure counts are sent to Unleash; `'off'`: never. Default `'60s'`. */
  readonly metrics?: Duration | 'off'
  /** What constraints may look at besides the key: for all keys alike, or made from the key. */
  readonly context?: FlagContext | ((key: string) => FlagContext)
  /** For writing. Without it the flag is read only. */
  readonly admin?: UnleashAdminOptions
}

export interface UnleashAdminOptions {
  /** A token that may change flags: an admin token, or a person's. Default `{ env: 'UNLEASH_ADMIN_TOKEN' }`. */
  readonly token?: TokenOption
  /** Default `'default'`. */
  readonly project?: string
  /** The environment that is written; that of the backend token. Default `'development'`. */
  readonly environment?: string
}

export interface UnleashSettings {
  readonly url: string
  readonly token: Token
  readonly appName: string
  readonly pollMs: number
  readonly maxStaleMs: number
  readonly timeoutMs: number
  readonly maxBytes: number
  readonly bootstrap: string | undefined
  /** 0: never. */
  readonly metricsMs: number
  readonly context: UnleashFlagsOptions['context']
  readonly admin: { readonly token: Token; readonly project: string; readonly environment: string } | undefined
}

const OPTIONS: readonly (keyof UnleashFlagsOptions)[] = [
  ...(['url', 'token', 'appName', 'poll', 'maxStale', 'timeout', 'maxAnswer'] as const),
  ...(['bootstrap', 'metrics', 'context', 'admin'] as const),
]
const ADMIN_OPTIONS: readonly (keyof UnleashAdminOptions)[] = ['token', 'project', 'environment']

/** `option-invalid` for what is not allowed. Reads no token and opens nothing. */
export function resolveOptions(options: UnleashFlagsOptions): UnleashSettings {
  onlyKnown(options, OPTIONS, 'unleashFlags')
  const { appName = 'cutover', maxAnswer = 20, metrics = '60s', bootstrap, context } = options
  if (typeof appName !== 'string' || !/^[\x21-\x7e][\x20-\x7e]{0,99}$/.test(appName)) {
    throw invalid('appName', 'must be a text of 1 to 100 plain characters')
  }
  if (!(typeof maxAnswer === 'number' && maxAnswer >= 0.001 && maxAnswer <= 1000)) {
    throw invalid('maxAnswer', 'must be a number of megabytes, 0.001 to 1000')
  }
  if (bootstrap !== undefined && (typeof bootstrap !== 'string' || bootstrap.trim() === '')) {
    throw invalid('bootstrap', 'must be the path of a file')
  }
  if (context !== undefined && typeof context !== 'function' && !isTexts(context)) {
    throw invalid('context', 'must be an object of texts, or a function from key to one')
  }
  const pollMs = durationOf(options.poll ?? '5s', 'poll', 100)
  const maxStaleMs = durationOf(options.maxStale ?? '10m', 'maxStale', 1000)
  if (maxStaleMs < 2 * pollMs) throw invalid('maxStale', 'must be at least twice as long as poll')
  return {
    url: urlOf(options.url),
    token: tokenOf(options.token ?? { env: 'UNLEASH_TOKEN' }, 'unleashFlags.token'),
    appName,
    pollMs,
    maxStaleMs,
    timeoutMs: durationOf(options.timeout ?? '3s', 'timeout', 50),
    maxBytes: maxAnswer * 1e6,
    bootstrap: bootstrap === undefined ? undefined : resolve(bootstrap),
    metricsMs: metrics === 'off' ? 0 : durationOf(metrics, 'metrics', 100),
    context,
    admin: options.admin === undefined ? undefined : adminOf(options.admin),
  }
}

function adminOf(options: UnleashAdminOptions): NonNullable<UnleashSettings['admin']> {
  onlyKnown(options, ADMIN_OPTIONS, 'unleashFlags.admin')
  const { token = { env: 'UNLEASH_ADMIN_TOKEN' }, project = 'default', environment = 'development' } = options
  for (const [name, value] of Object.entries({ project, environment })) {
    if (typeof value !== 'string' || value.trim() === '') throw invalid(`admin.${name}`, 'must be a name')
  }
  return { token: tokenOf(token, 'unleashFlags.admin.token'), project, environment }
}

function urlOf(text: unknown): string {
  let url: URL
  try {
    url = new URL(String(text))
  } catch {
    throw invalid('url', 'must be an address such as https://unleash.example.com')
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw invalid('url', 'must be an http or https address')
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw invalid('url', 'must be an address alone, without user, password, query or fragment; the token is an option')
  }
  // people paste the address of the client API, too
  return url.href.replace(/\/+$/, '').replace(/\/api(?:\/(?:client|admin|frontend))?$/, '')
}

function durationOf(value: Duration, name: string, least: number): number {
  const ms = parseDuration(value, `unleashFlags.${name}`)
  if (ms < least) throw invalid(name, `must be ${least}ms or more`)
  return ms
}

function onlyKnown(options: unknown, known: readonly string[], where: string): void {
  if (typeof options !== 'object' || options === null) {
    throw new CutoverError('option-invalid', `${where}: takes an object with ${known.join(', ')}`)
  }
  const unknown = Object.keys(options).find((name) => !known.includes(name))
  if (unknown === undefined) return
  throw new CutoverError('option-invalid', `${where}.${unknown}: unknown option; allowed are ${known.join(', ')}`, {
    details: { option: unknown },
  })
}

function isTexts(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.values(value).every((text) => typeof text === 'string')
}

function invalid(option: string, why: string): CutoverError {
  return new CutoverError('option-invalid', `unleashFlags.${option}: ${why}`, { details: { option } })
}
