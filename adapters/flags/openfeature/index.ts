// Flags from any vendor that OpenFeature has a provider for: `flags: openFeatureFlags({ provider: () => … })`. Nothing is
// opened until the configuration is used.

import type { FlagSpec } from '../../../src/ports/flags.ts'
import { type OpenFeatureFlagsOptions, resolveOptions } from './options.ts'
import { OpenFeatureSource } from './source.ts'

export type { OpenFeatureFlagsOptions } from './options.ts'

/** Flags through OpenFeature: a string flag whose value is a route, `targetingKey` being the job's key. Read only. */
export function openFeatureFlags(options: OpenFeatureFlagsOptions): FlagSpec {
  const settings = resolveOptions(options)
  return { kind: 'openfeature', create: ({ flags }) => new OpenFeatureSource(settings, flags) }
}
