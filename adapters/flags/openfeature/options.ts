// What may be configured, and refused early.

import type { Provider } from '@openfeature/server-sdk'
import { type Duration, parseDuration } from '../../../src/vocabulary/duration.ts'
import { CutoverError } from '../../../src/vocabulary/errors.ts'

export interface OpenFeatureFlagsOptions {
  /** Makes the provider when it is needed; it is registered for cutover alone, and closed with it. */
  readonly provider?: () => Provider | Promise<Provider>
  /** In place of `provider`: the domain for which your application has set one, `''` being the default one. */
  readonly domain?: string
  /** What targeting may look at besides `targetingKey`: for all keys alike, or made from the key. */
  readonly context?: Readonly<Record<string, string>> | ((key: string) => Readonly<Record<string, string>>)
  /** How long an evaluation may take; then the job goes to legacy with `flag-error`. Default `'1s'`. */
  readonly timeout?: Duration
  /** How often the flag is looked at, besides the provider's own events. Default `'10s'`. */
  readonly poll?: Duration
  /** How long a provider may be stale, or fail, until its answers are doubts (`flag-stale`). Default `'10m'`. */
  readonly maxStale?: Duration
  /** With how many keys the flag is looked at, 10 to 1000. Fewer for providers that ask a server each time. Default 1000. */
  readonly probes?: number
}

export interface OpenFeatureSettings {
  readonly provider: OpenFeatureFlagsOptions['provider']
  readonly domain: string | undefined
  readonly context: (key: string) => Readonly<Record<string, string>>
  readonly timeoutMs: number
  readonly pollMs: number
  readonly maxStaleMs: number
  readonly probes: number
}

const OPTIONS: readonly (keyof OpenFeatureFlagsOptions)[] = [
  ...(['provider', 'domain', 'context', 'timeout', 'poll', 'maxStale', 'probes'] as const),
]

/** `option-invalid` for what is not allowed. Makes no provider. */
export function resolveOptions(options: OpenFeatureFlagsOptions): OpenFeatureSettings {
  if (typeof options !== 'object' || options === null) {
    throw invalid('', `takes an object with ${OPTIONS.join(', ')}`)
  }
  const unknown = Object.keys(options).find((name) => !(OPTIONS as readonly string[]).includes(name))
  if (unknown !== undefined) throw invalid(unknown, `unknown option; allowed are ${OPTIONS.join(', ')}`)
  const { provider, domain, context = {}, probes = 1000 } = options
  if (provider !== undefined && typeof provider !== 'function') {
    throw invalid('provider', 'must be a function that makes the provider, e.g. () => new FlagdProvider(…)')
  }
  if (domain !== undefined && typeof domain !== 'string') throw invalid('domain', 'must be a text')
  if ((provider === undefined) === (domain === undefined)) throw invalid('provider', 'give either provider or domain')
  if (typeof context !== 'function' && !isTexts(context)) {
    throw invalid('context', 'must be an object of texts, or a function from key to one')
  }
  if (!Number.isInteger(probes) || probes < 10 || probes > 1000) throw invalid('probes', 'must be 10 to 1000')
  return {
    provider,
    domain,
    context: typeof context === 'function' ? context : () => context,
    timeoutMs: durationOf(options.timeout ?? '1s', 'timeout', 10),
    pollMs: durationOf(options.poll ?? '10s', 'poll', 100),
    maxStaleMs: durationOf(options.maxStale ?? '10m', 'maxStale', 1000),
    probes,
  }
}

function durationOf(value: Duration, name: string, least: number): number {
  const ms = parseDuration(value, `openFeatureFlags.${name}`)
  if (ms < least) throw invalid(name, `must be ${least}ms or more`)
  return ms
}

function isTexts(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.values(value).every((text) => typeof text === 'string')
}

function invalid(option: string, why: string): CutoverError {
  const where = option === '' ? 'openFeatureFlags' : `openFeatureFlags.${option}`
  return new CutoverError('option-invalid', `${where}: ${why}`, { details: { option } })
}
