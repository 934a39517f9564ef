// Flags from an Unleash server: `flags: unleashFlags({ url })`. Nothing is opened, and no token is read, until the
// configuration is used.

import type { FlagSpec } from '../../../src/ports/flags.ts'
import { resolveOptions, type UnleashFlagsOptions } from './options.ts'
import { UnleashFlagSource } from './source.ts'

export { type Doubt, type DoubtId, UNLEASH_DOUBTS } from './doubts.ts'
export type { UnleashAdminOptions, UnleashFlagsOptions } from './options.ts'
export type { TokenOption } from './tokens.ts'

/** Flags from an Unleash server, polled; written through its Admin API where `admin` is given. */
export function unleashFlags(options: UnleashFlagsOptions): FlagSpec {
  const settings = resolveOptions(options)
  return { kind: 'unleash', create: ({ flags }) => new UnleashFlagSource(settings, flags) }
}
