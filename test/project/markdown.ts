// Reads what the documentation marks for its tests: `<!-- MARK: VALUE -->` on the line before a fence.

export interface Marked {
  readonly mark: string
  readonly value: string
  readonly text: string
}

/** All marked fences, in order. */
export function markedFences(markdown: string): readonly Marked[] {
  const fences = markdown.matchAll(/^<!-- ([a-z]+)(?:: (.+?))? -->\n```[^\n]*\n([\s\S]*?)^```$/gm)
  return [...fences].map(([, mark = '', value = '', text = '']) => ({ mark, value, text }))
}

/** Every table: its rows as texts, without header and rule. */
export function tablesOf(markdown: string): readonly (readonly (readonly string[])[])[] {
  const blocks = markdown.match(/(?:^\|.*\n?)+/gm) ?? []
  return blocks.map((block) =>
    block
      .trimEnd()
      .split('\n')
      .slice(2)
      .map((line) =>
        line
          .split('|')
          .slice(1, -1)
          .map((cell) => cell.trim()),
      ),
  )
}

/** The first table after a heading that starts with `heading`. */
export function tableUnder(markdown: string, heading: string): readonly (readonly string[])[] {
  const start = markdown.search(new RegExp(`^#+ ${heading}`, 'm'))
  const [table] = start === -1 ? [] : tablesOf(markdown.slice(start))
  if (table === undefined) throw new Error(`no table under "${heading}"`)
  return table
}

/** A cell without its backticks. */
export function plain(cell: string): string {
  return cell.replaceAll('`', '')
}
