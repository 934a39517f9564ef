// What differs, field by field: how often, how often without the target's doing, and an example of both sides with the
// difference marked.

import { diffArrays } from 'diff'
import { formatCount, formatShare, plural } from '../format.ts'
import type { DifferenceReport, MigrationReport } from '../model.ts'
import { GATHERED_PATH } from '../pairs.ts'
import { GATHERED_PHRASE } from '../sections.ts'
import { formatValues } from '../values.ts'
import { foreign, html, type Markup, wordOf } from './markup.ts'

/** Groups with an example; the rest is counted. */
const SHOWN = 40
/** Values are cut to this, around the place where they begin to differ. */
const VALUE = 400
/** Values that differ in more places than this are marked as a whole. */
const MOST_EDITS = 120

const KINDS: Readonly<Record<DifferenceReport['kind'], string>> = {
  missing: 'missing on target',
  extra: 'only on target',
  type: 'another type',
  value: 'another value',
  order: 'another order',
  length: 'another length',
  tools: 'other MCP tools',
}

/** `id` is unique in the page. */
export function differences(migration: MigrationReport, id: string): Markup {
  const groups = migration.differences
  if (groups.length === 0) return html`<p>${nothing(migration)}</p>`
  const shown = groups.slice(0, SHOWN)
  const withNoise = migration.noise.compared > 0
  const more = groups.length - shown.length
  return html`<p class="quiet">Fields of results, errors, recorded effects and MCP tools that differ, the most frequent first. ${parts(groups)}</p>
<label class="filter" data-for="${id}" hidden>Filter <input type="search" placeholder="field, kind, value or job"></label>
<div id="${id}">
${shown.map((group) => difference(group, withNoise))}</div>
${more > 0 && html`<p>and ${plural(more, 'more group')} of differences, each in at most ${plural(groups[SHOWN]?.count ?? 0, 'pair')}; all are in the JSON report.</p>`}
`
}

function nothing({ comparisons: { compared, shadowed } }: MigrationReport): string {
  if (compared > 0) return `Nothing differs in ${plural(compared, 'compared pair')}.`
  return shadowed > 0 ? 'No pair was compared yet.' : 'Nothing was shadowed, so nothing could be compared.'
}

/** Groups by what they are in: the first part of their path. */
function parts(groups: readonly DifferenceReport[]): string {
  const of = (part: string): number =>
    groups.filter(({ path }) => path === `/${part}` || path.startsWith(`/${part}/`)).length
  const counted = [
    ['result', of('result')],
    ['error', of('error')],
    ['effects', of('effects')],
    ['MCP tools', of('mcp')],
  ] as const
  const words = counted.map(([part, n]) => `${part}: ${n === 0 ? 'none' : plural(n, 'group')}`)
  return `By part, ${words.join(', ')}.`
}

function difference({ path, kind, count, share, noise, example }: DifferenceReport, withNoise: boolean): Markup {
  const own = withNoise && html`<span class="quiet">legacy against itself ${formatShare(noise?.share ?? null)}</span>`
  const head = html`<span class="count"><strong>${formatCount(count)}</strong> ${count === 1 ? 'pair' : 'pairs'}, ${formatShare(share)}</span>
<span>${wordOf(KINDS, kind)}</span>${own}`
  if (path === GATHERED_PATH) {
    return html`<section class="difference" data-item aria-label="further fields"><header><span class="path">${GATHERED_PHRASE}</span>${head}</header></section>
`
  }
  const { legacy, target } = marked(formatValues(example, kind, VALUE))
  return html`<section class="difference" data-item aria-label="difference at ${path.slice(0, 80)}"><header><span class="path">${foreign(path, 200)}</span>${head}</header>
<dl class="pair"><div class="legacy"><dt>legacy</dt><dd class="value">${legacy}</dd></div><div class="target"><dt>target</dt><dd class="value">${target}</dd></div></dl>
<p class="quiet small job">job <code>${foreign(example.id, 80)}</code></p></section>
`
}

/** Escapes, words, blanks and single signs: what is marked as a whole. */
const TOKENS = /\\u\{?[0-9a-f]+\}?|\\.|[\p{L}\p{N}\p{M}]+|\s+|./gsu

/** Both values with what the other does not have marked, word by word. */
function marked({ legacy, target }: { legacy: string; target: string }): { legacy: Markup; target: Markup } {
  const changes = diffArrays(legacy.match(TOKENS) ?? [], target.match(TOKENS) ?? [], { maxEditLength: MOST_EDITS })
  if (changes === undefined) {
    return { legacy: html`<bdi><mark>${legacy}</mark></bdi>`, target: html`<bdi><mark>${target}</mark></bdi>` }
  }
  const side = (skip: 'added' | 'removed'): Markup => {
    const own = changes.filter((change) => !change[skip])
    const part = ({ value, added, removed }: (typeof own)[number]): Markup =>
      added || removed ? html`<mark>${value}</mark>` : html`${value}`
    return html`<bdi>${own.map(part)}</bdi>`
  }
  return { legacy: side('added'), target: side('removed') }
}
