// The one form in which an adapter refuses what its backend cannot do: never dropped, always named.

import type { CapabilityName } from '../src/ports/queue.ts'
import { CutoverError } from '../src/vocabulary/errors.ts'

/** `instead` completes the sentence "use … instead". */
export function capabilityMissing(adapter: string, capability: CapabilityName, instead: string): CutoverError {
  const message = `${adapter}: the capability ${capability} is missing in this backend; use ${instead} instead`
  return new CutoverError('capability-missing', message, { details: { adapter, capability, instead } })
}
