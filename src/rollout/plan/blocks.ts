// Where in a Markdown text are the blocks for machines? Fences with the info string `yaml cutover`, nothing else.
//
// Fences inside other fences and inside HTML comments are text for people, as in any Markdown reader.

export interface Block {
  readonly text: string
  /** Of the opening fence and of the first line within, from 1. */
  readonly fenceLine: number
  readonly firstLine: number
  readonly closed: boolean
}

const OPENING = /^( {0,3})(`{3,}|~{3,})(.*)$/

interface Open {
  readonly indent: number
  readonly fence: string
  readonly isPlan: boolean
  readonly line: number
  readonly lines: string[]
}

export function planBlocks(markdown: string): Block[] {
  const blocks: Block[] = []
  let open: Open | undefined
  let inComment = false
  const end = (closed: boolean): void => {
    if (open?.isPlan === true) {
      blocks.push({ text: open.lines.join('\n'), fenceLine: open.line, firstLine: open.line + 1, closed })
    }
    open = undefined
  }
  for (const [index, line] of markdown
    .replace(/^\uFEFF/, '')
    .split(/\r\n|\n|\r/)
    .entries()) {
    if (open !== undefined) {
      if (closes(line, open.fence)) end(true)
      else open.lines.push(withoutIndent(line, open.indent))
    } else if (inComment || /^ {0,3}<!--/.test(line)) {
      inComment = !line.includes('-->')
    } else {
      open = opened(line, index + 1)
    }
  }
  end(false)
  return blocks
}

function opened(line: string, at: number): Open | undefined {
  const [, indent = '', fence = '', info = ''] = OPENING.exec(line) ?? []
  if (fence === '' || (fence.startsWith('`') && info.includes('`'))) return undefined
  return {
    indent: indent.length,
    fence,
    isPlan: /^yaml\s+cutover$/.test(info.trim()),
    line: at,
    lines: [],
  }
}

/** At least as many of the same character, and nothing else. */
function closes(line: string, fence: string): boolean {
  const [, , found = '', rest = ''] = OPENING.exec(line) ?? []
  return found.startsWith(fence) && rest.trim() === ''
}

function withoutIndent(line: string, indent: number): string {
  let at = 0
  while (at < indent && line[at] === ' ') at++
  return line.slice(at)
}
