// Which number stands for which word in what the Redis ledger stores: the same tables for TypeScript and for Lua.
//
// The numbers are stored: new words are only ever appended.

import { PAIR_CODE, STORED_FAMILIES } from '../../../src/ports/latency-log.ts'
import { DIFFERENCE_GROUPS_KEPT, type FinishClass, SAMPLES_KEPT, type Verdict } from '../../../src/ports/ledger.ts'
import { type Arm, type DecisionReason, DOUBTS, type Route, type Side } from '../../../src/vocabulary/job.ts'
import { FIRST_WAIT_CLASS } from '../../../src/vocabulary/latency.ts'

export const SIDE_WORDS: readonly Side[] = ['legacy', 'target']
export const ARM_WORDS: readonly Arm[] = ['primary', 'shadow', 'control']
export const ROUTE_WORDS: readonly Route[] = ['legacy', 'legacy-shadowed', 'target', 'target-shadowed']
export const CLASS_WORDS: readonly FinishClass[] = ['ok', 'failed', 'cancelled', 'backend-failed']
export const VERDICT_WORDS: readonly Verdict[] = [
  'none',
  'open',
  'shed',
  'orphaned',
  'matched',
  'mismatched',
  'ignored',
  'moved',
]
export const ERROR_WORDS = ['none', 'both', 'target-only', 'legacy-only'] as const
export const WHICH_WORDS = ['pair', 'control'] as const
/** Combinations of copies of which nothing more is counted, in the order in which they came. */
export const SEEN_WORDS: readonly (readonly Arm[])[] = [
  [],
  ['shadow'],
  ['control'],
  ['shadow', 'control'],
  ['control', 'shadow'],
]
export const REASON_WORDS: readonly DecisionReason[] = [
  'flag',
  'forced',
  'latch',
  'ceiling',
  'not-shadowable',
  'flag-doubt',
  'flag-missing',
  'flag-off',
  'flag-unknown-value',
  'flag-stale',
  'flag-error',
  'empty-key',
  'ledger-stale',
  'ledger-unavailable',
  'epoch-behind',
  'adopted',
]

/** Word → number, for the tables above. */
export function codeOf<T extends string>(words: readonly T[], word: T): number {
  const code = words.indexOf(word)
  if (code < 0) throw new RangeError(`"${word}" is none of ${words.join(', ')}`)
  return code
}

/** The number → the word; what is stored by a newer minor version has no word here. */
export function wordOf<T>(words: readonly T[], code: number): T {
  const word = words[code]
  if (word === undefined) throw new RangeError(`code ${code} is not known to this version of cutover`)
  return word
}

/** Longest outcome that is kept of a settled row. */
export const OUTCOME_KEPT_BYTES = 65_536
/** Longest token that a settled row keeps as it is; of a longer one a digest stays. */
export const TOKEN_KEPT_BYTES = 16

function luaList(words: readonly string[]): string {
  return `{[0]=${words.map((word) => `'${word}'`).join(',')}}`
}

/** The same tables for the scripts. */
export const LUA_CODES: string = `
local SIDES = ${luaList(SIDE_WORDS)}
local ROUTES = ${luaList(ROUTE_WORDS)}
local CLASSES = ${luaList(CLASS_WORDS)}
local VERDICTS = ${luaList(VERDICT_WORDS)}
local ARMS = ${luaList(ARM_WORDS)}
local FAMILIES = ${luaList(STORED_FAMILIES)}
local AGAIN, OF_DAY, OF_KEY, EXCLUDED, LATE = ${STORED_FAMILIES.map((_, code) => code).join(', ')}
local PAIR, FIRST_WAIT = ${PAIR_CODE}, ${FIRST_WAIT_CLASS}
local LAST_SLOT = ${2 ** 20 - 1}
local DOUBT = {${[...DOUBTS].map((reason) => `[${codeOf(REASON_WORDS, reason)}]=true`).join(',')}}
local R_LEDGER_UNAVAILABLE, R_ADOPTED = ${codeOf(REASON_WORDS, 'ledger-unavailable')}, ${codeOf(REASON_WORDS, 'adopted')}
local OUTCOME_KEPT, TOKEN_KEPT = ${OUTCOME_KEPT_BYTES}, ${TOKEN_KEPT_BYTES}
local SAMPLES_KEPT, GROUPS_KEPT = ${SAMPLES_KEPT}, ${DIFFERENCE_GROUPS_KEPT}
`
