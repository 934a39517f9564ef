// How does text become HTML without being able to do anything there? One template tag, which escapes all that it is given.
//
// Only this file makes `Markup` out of text. Every other text, made here or foreign, is escaped when it is put into a
// template, in element content and in attributes (which are always quoted) alike. Foreign text is cut, has what is
// invisible written out, and stands in a `bdi`, so that text from right to left turns nothing around it.

import { cut, safeText } from '../format.ts'

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/** HTML that was made by a template of this project. */
export class Markup {
  readonly #text: string

  /** Only for what `html`, `raw` and the page's own style and script make. */
  constructor(text: string) {
    this.#text = text
  }

  toString(): string {
    return this.#text
  }
}

/** No sentence of the page is longer than this. */
const LONGEST = 2000

export type Child = Markup | string | number | null | undefined | false | readonly Child[]

/** The template tag. Texts are escaped, lists joined, null, undefined and false left out. */
export function html(parts: TemplateStringsArray, ...children: readonly Child[]): Markup {
  let text = parts[0] ?? ''
  for (const [at, child] of children.entries()) text += markupOf(child) + (parts[at + 1] ?? '')
  return new Markup(text)
}

function markupOf(child: Child): string {
  if (child instanceof Markup) return child.toString()
  if (child === null || child === undefined || child === false) return ''
  if (typeof child === 'object') return child.map(markupOf).join('')
  return escapeHtml(cut(String(child), LONGEST))
}

/** Nothing in the answer begins a tag, an entity or ends an attribute; nothing in it is invisible. */
export function escapeHtml(text: string): string {
  return safeText(text).replace(/[&<>"']/g, (character) => ESCAPES[character] ?? '')
}

/** Text of payloads, people and other systems: cut to `length`, by itself in its own direction. */
export function foreign(text: string, length = 120): Markup {
  return html`<bdi>${cut(safeText(text.slice(0, 8 * length)), length)}</bdi>`
}

/** The page's word for a value of a closed set; a value that is not in it (`constructor`, say) is told as it is. */
export function wordOf(words: Readonly<Record<string, string>>, value: string): string {
  return Object.hasOwn(words, value) ? (words[value] ?? value) : value
}
