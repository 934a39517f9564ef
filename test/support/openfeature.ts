// Vendors behind OpenFeature: one that draws as Unleash does, kept in memory, Unleash itself with its own client, and flagd's
// evaluation of a file.

import { renameSync, writeFileSync } from 'node:fs'
import { FlagdProvider } from '@openfeature/flagd-provider'
import {
  type EvaluationContext,
  InMemoryProvider,
  type Provider,
  type ResolutionDetails,
} from '@openfeature/server-sdk'
import { InMemStorageProvider, startUnleash, type Unleash } from 'unleash-client'
import { flagdFlag } from '../../adapters/flags/openfeature/words.ts'
import { encodeDials, loadEngine } from '../../adapters/unleash-engine.ts'
import type { FlagDials } from '../../src/ports/flags.ts'
import { ROUTES } from '../../src/vocabulary/job.ts'

/** What Unleash's client says of a definition; an error in it is thrown. */
export const engine = await loadEngine((error) => {
  throw error
})

type Configuration = ConstructorParameters<typeof InMemoryProvider>[0]

/** The flag `mail`, for `InMemoryProvider.putConfiguration`. */
export function configuration(dials: FlagDials): Configuration {
  const definition = encodeDials('mail', dials)
  return {
    mail: {
      variants: Object.fromEntries(ROUTES.map((route) => [route, route])),
      defaultVariant: 'legacy',
      disabled: false,
      contextEvaluator: ({ targetingKey = '' }) => engine(definition, { key: targetingKey, flagKind: 'string' }).route,
    },
  } as Configuration
}

/** What a vendor's provider does that evaluates as Unleash does, by `targetingKey`. */
export function inMemory(dials: FlagDials): InMemoryProvider {
  return new InMemoryProvider(configuration(dials))
}

/** flagd without a server, of the file at `path`. */
export function flagd(path: string): FlagdProvider {
  return new FlagdProvider({ resolverType: 'in-process', offlineFlagSourcePath: path })
}

/** The flag `mail`, as `cutover flag set` says that it is written; replaces the file by rename. */
export function writeFlagd(path: string, dials: FlagDials): void {
  writeFileSync(`${path}.new`, JSON.stringify({ flags: { mail: flagdFlag(dials) } }))
  renameSync(`${path}.new`, path)
}

/** Unleash's client as it comes, with its own way of fetching: what an Unleash provider for OpenFeature is made of. */
export class StockUnleash implements Provider {
  readonly metadata = { name: 'unleash-client' }
  readonly runsOn = 'server'
  readonly #url: string
  readonly #token: string
  #client: Unleash | undefined

  constructor(url: string, token: string) {
    this.#url = url
    this.#token = token
  }

  async initialize(): Promise<void> {
    this.#client = await startUnleash({
      ...{ url: `${this.#url}/api/`, appName: 'stock', customHeaders: { Authorization: this.#token } },
      ...{ disableMetrics: true, storageProvider: new InMemStorageProvider() },
    })
  }

  async resolveStringEvaluation(
    flag: string,
    fallback: string,
    { targetingKey = '' }: EvaluationContext,
  ): Promise<ResolutionDetails<string>> {
    const variant = this.#client?.getVariant(flag, { userId: targetingKey })
    if (variant?.feature_enabled !== true) return { value: fallback, reason: 'DISABLED' }
    return { value: variant.payload?.value ?? fallback, reason: 'SPLIT' }
  }

  resolveBooleanEvaluation = notAskedFor
  resolveNumberEvaluation = notAskedFor
  resolveObjectEvaluation = notAskedFor

  async onClose(): Promise<void> {
    this.#client?.destroy()
  }
}

async function notAskedFor(): Promise<never> {
  throw new Error('only string flags are asked for')
}
