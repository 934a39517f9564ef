// The plan that `init` writes: from the first shadows to everything on target. With `few` keys (some hundred mailboxes)
// the limits are those that so few can prove at all.

export interface PlanNames {
  readonly migration: string
  /** Kinds of queues, e.g. `bee-queue`. */
  readonly legacy: string
  readonly target: string
  /** `cutover init --keys few`. */
  readonly few?: boolean
}

interface StageText {
  readonly head: string
  readonly gates: readonly string[]
}

/** The whole Markdown file for one migration. */
export function defaultPlan({ migration, legacy, target, few = false }: PlanNames): string {
  const stages = (few ? FEW : MANY).map(({ head, gates }) => `  - {${head},\n     gates: {${gates.join(', ')}}}`)
  return `# ${migration}: ${legacy} → ${target}

Owner: (who). Roll back: \`cutover rollback ${migration}\` (works without the flag server). Ask (where) before \`full\`.

\`\`\`yaml cutover
version: 1
migration: ${migration}
legacy: ${legacy}
target: ${target}
alpha: 0.05
unit: key
deadline: 10m     # wait 5m + 3 attempts × 60s + backoff 30s = 8m30s
stages:
${stages.join('\n')}
\`\`\`
`
}

interface Limits {
  readonly mismatch: string
  readonly errors: string
  readonly lost?: string
}

/** The five gates. `prove`: those that are proven here; `more`: what is added to those that only watch. */
function gatesOf(
  { mismatch, errors, lost = '0.2%' }: Limits,
  o: { readonly prove?: readonly string[]; readonly watch?: Readonly<Record<string, string>>; readonly times?: string },
): string[] {
  const rule = (name: string): string => `rule: ${o.prove?.includes(name) === true ? 'prove' : 'watch'}`
  const more = (name: string): string => {
    const units = o.prove?.includes(name) === true ? undefined : o.watch?.[name]
    return units === undefined ? '' : `, min-units: ${units}`
  }
  const times = (name: string): string => `${o.times ?? ''}${more(name)}`
  return [
    `mismatch: {limit: ${mismatch}, ${rule('mismatch')}${more('mismatch')}}`,
    `errors: {limit: ${errors}, ${rule('errors')}${more('errors')}}`,
    `lost: {limit: ${lost}, ${rule('lost')}, unit: job${more('lost')}}`,
    `p50: {ratio: 1.10, ${rule('p50')}${times('p50')}}`,
    `p95: {ratio: 1.15, ${rule('p95')}${times('p95')}}`,
  ]
}

const ALL = ['mismatch', 'errors', 'lost', 'p50', 'p95']
const BACKLOG = 'backlog: {limit: 2m}'
const SHADOW_FIRST =
  'name: shadow-first, target: 0%, shadow: 10%, control: 10%, min-soak: 1h, max-stay: 7d, on-fail: hold'
const SHADOW_ALL = 'name: shadow-all, target: 0%, shadow: 100%, control: 10%, min-soak: 24h, on-fail: hold'
const CANARY_10 = 'name: canary-10, target: 10%, shadow: 10%'
const CANARY_50 = 'name: canary-50, target: 50%, shadow: 10%'
const FULL = 'name: full, target: 100%, shadow: 10%, min-soak: 72h, approval: manual'

const one = { mismatch: '1%', errors: '1%' }
const two = { mismatch: '1%', errors: '2%' }
const ten = { errors: '10', lost: '10', p50: '10', p95: '10' }
const MANY: readonly StageText[] = [
  { head: SHADOW_FIRST, gates: gatesOf(one, {}) },
  { head: SHADOW_ALL, gates: gatesOf(one, { prove: ALL }) },
  {
    head: 'name: canary-1, target: 1%, shadow: 10%, min-soak: 4h, approval: manual',
    gates: gatesOf(two, { watch: ten }),
  },
  { head: CANARY_10, gates: gatesOf(two, { prove: ['errors'] }) },
  { head: CANARY_50, gates: [...gatesOf(one, { prove: ['errors'] }), BACKLOG] },
  { head: FULL, gates: gatesOf({ ...one, lost: '0.1%' }, { prove: ['errors', 'lost'] }) },
]

/**
 * Of 300 keys 1 % are 3: the first canary has 5 %, and what only watches asks for fewer units. The keys are used up
 * within days, while p95 and `lost` go on for longer: that no new key comes must not make the others' proof stale.
 */
const few = { mismatch: '2%', errors: '2%' }
const times = ', unit: key-day'
const watch = { mismatch: '10', errors: '10' }
const FEW: readonly StageText[] = [
  { head: SHADOW_FIRST, gates: gatesOf(few, { watch, times }) },
  { head: `${SHADOW_ALL}, max-stay: 28d, stale-after: 28d`, gates: gatesOf(few, { prove: ALL, times }) },
  {
    head: 'name: canary-5, target: 5%, shadow: 10%, min-soak: 4h, approval: manual',
    gates: gatesOf(few, { watch: { ...ten, mismatch: '10', errors: '5' }, times }),
  },
  { head: CANARY_10, gates: gatesOf(few, { watch, times }) },
  { head: CANARY_50, gates: [...gatesOf({ ...few, errors: '5%' }, { prove: ['errors'], watch, times }), BACKLOG] },
  {
    head: `${FULL}, stale-after: 14d`,
    gates: gatesOf({ ...few, lost: '0.1%' }, { prove: ['errors', 'lost'], watch, times }),
  },
]
