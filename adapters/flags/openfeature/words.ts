// What people are told of a flag behind OpenFeature: what is wrong with it, and what to set for two dials.

import type { FlagDials, FlagFinding, FlagQuestion } from '../../../src/ports/flags.ts'
import { formatShare, weightsOf } from '../../../src/vocabulary/dials.ts'
import { ROUTES } from '../../../src/vocabulary/job.ts'
import type { Survey } from './survey.ts'

export function findingsOf(survey: Survey | undefined, flagKind: FlagQuestion['flagKind']): readonly FlagFinding[] {
  if (survey === undefined) return []
  const { reading, fault, contradiction } = survey
  const { kind } = reading
  if (kind === 'missing')
    return [found('missing', 'warn', 'there is no such flag', 'make it with your vendor: a string flag')]
  if (kind === 'off')
    return [found('off', 'warn', 'the flag is off', 'switch it on with your vendor when it is to go on')]
  if (fault !== undefined)
    return [found('doubt', 'bad', `it gives no route: ${fault}`, `its values must be ${ROUTES.join(', ')}`)]
  if (contradiction !== undefined) {
    return [found('contradiction', 'bad', contradiction, 'write the dials that the flag has into its metadata')]
  }
  if (kind === 'custom') {
    const text = 'its dials cannot be told from its answers: jobs go as it says, and no gate of a plan passes'
    return [
      found('custom', 'warn', text, 'declare them in the flag’s metadata: target and shadow, as shares from 0 to 1'),
    ]
  }
  if (kind === 'boolean' && flagKind === 'string') {
    const advice = "make it a string flag whose value is a route, or set flagKind: 'boolean'"
    return [found('boolean', 'bad', 'it is a boolean flag, the migration expects routes', advice)]
  }
  return []
}

function found(id: string, status: FlagFinding['status'], text: string, advice: string): FlagFinding {
  return { id, status, text, advice }
}

/** For any vendor in words, and for flagd as it is written. */
export function instructionsFor(flag: string, { target, shadow }: FlagDials): string {
  const weights = weightsOf({ target, shadow })
  const shares = ROUTES.map((route) => `${route} ${formatShare(weights[route] / 1000)}`).join(', ')
  return [
    `set the string flag "${flag}" to target ${formatShare(target)}, shadow ${formatShare(shadow)}: by targetingKey, in this order, ${shares}`,
    `with flagd: ${JSON.stringify({ [flag]: flagdFlag({ target, shadow }) })}`,
  ].join('\n')
}

/** A flag of flagd with these dials; `fractional` draws by flag and `targetingKey`, and walks the routes in order. */
export function flagdFlag({ target, shadow }: FlagDials): object {
  const weights = weightsOf({ target, shadow })
  return {
    state: 'ENABLED',
    variants: Object.fromEntries(ROUTES.map((route) => [route, route])),
    defaultVariant: 'legacy',
    targeting: { fractional: ROUTES.map((route) => [route, weights[route]]) },
    metadata: { target, shadow },
  }
}
