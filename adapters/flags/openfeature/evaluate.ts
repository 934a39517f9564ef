// One evaluation: what OpenFeature says of a flag and a key, as a decision. What is not a clear answer is legacy, with a
// reason of its own for each kind.

import type { Client, EvaluationDetails } from '@openfeature/server-sdk'
import type { FlagDecision, FlagQuestion } from '../../../src/ports/flags.ts'
import { type DecisionReason, ROUTES } from '../../../src/vocabulary/job.ts'
import { doubt } from '../../unleash-engine.ts'

export interface Answer {
  readonly decision: FlagDecision
  /** The dials that the flag's metadata declares. */
  readonly declared?: { readonly target: number; readonly shadow: number }
  /** What went wrong, for people. */
  readonly message?: string
}

/** By OpenFeature's error codes. */
const ERRORS: Readonly<Record<string, DecisionReason>> = {
  FLAG_NOT_FOUND: 'flag-missing',
  TYPE_MISMATCH: 'flag-unknown-value',
  PROVIDER_NOT_READY: 'flag-doubt',
}

/** By OpenFeature's reasons, where they are not an answer to this key. */
const REASONS: Readonly<Record<string, DecisionReason>> = {
  DEFAULT: 'flag-doubt',
  DISABLED: 'flag-off',
  ERROR: 'flag-error',
  STALE: 'flag-stale',
}

/** Never rejects. */
export async function evaluate(
  client: Client,
  question: FlagQuestion,
  context: Readonly<Record<string, string>>,
): Promise<Answer> {
  if (question.key === '') return { decision: doubt('empty-key') }
  const asked = { ...context, targetingKey: question.key }
  try {
    if (question.flagKind === 'boolean') {
      return answerOf(await client.getBooleanDetails(question.flag, false, asked), (on) => (on ? 'target' : 'legacy'))
    }
    return answerOf(await client.getStringDetails(question.flag, '', asked), (text) => text)
  } catch (error) {
    return { decision: doubt('flag-error'), message: error instanceof Error ? error.message : String(error) }
  }
}

function answerOf<T extends string | boolean>(details: EvaluationDetails<T>, routeOf: (value: T) => string): Answer {
  const { errorCode, errorMessage, reason, value, flagMetadata } = details
  if (errorCode !== undefined) {
    const message = errorMessage === undefined ? errorCode : `${errorCode}: ${errorMessage}`
    return { decision: doubt(ERRORS[errorCode] ?? 'flag-error'), message }
  }
  const doubted = reason === undefined ? undefined : REASONS[reason]
  if (doubted !== undefined) return { decision: doubt(doubted) }
  const route = ROUTES.find((each) => each === routeOf(value))
  if (route === undefined) return { decision: doubt('flag-unknown-value'), message: `"${String(value)}" is no route` }
  const declared = declaredBy(flagMetadata)
  return { decision: { route, reason: 'flag' }, ...(declared === undefined ? {} : { declared }) }
}

function declaredBy(metadata: EvaluationDetails<string>['flagMetadata'] | undefined): Answer['declared'] {
  const { target, shadow } = metadata ?? {}
  const isShare = (value: unknown): value is number => typeof value === 'number' && value >= 0 && value <= 1
  return isShare(target) && isShare(shadow) ? { target, shadow } : undefined
}
