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

/** The first table after a heading that starts with `heading`: its rows as texts, without header and rule. */
export function tableUnder(markdown: string, heading: string): readonly (readonly string[])[] {
  const after = markdown.split(new RegExp(`^#+ ${heading}`, 'm'))[1] ?? ''
  const lines = after.split('\n')
  const start = lines.findIndex((line) => line.startsWith('|'))
  if (start === -1) throw new Error(`no table under "${heading}"`)
  const length = lines.slice(start).findIndex((line) => !line.startsWith('|'))
  const rows = lines.slice(start, length === -1 ? undefined : start + length).slice(2)
  return rows.map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  )
}

/** A cell without its backticks. */
export function plain(cell: string): string {
  return cell.replaceAll('`', '')
}
