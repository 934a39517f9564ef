// The YAML of one block with its lines: maps, lists and scalars to read from, and a place to report what is wrong.

import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument, visit } from 'yaml'
import type { Block } from './blocks.ts'
import type { PlanProblem, PlanProblemCode } from './problems.ts'

/** A value with its place. `node` is undefined where there is a key without a value. */
export interface Value {
  readonly node: Node | undefined
  readonly path: string
  readonly line: number
}

export class Source {
  readonly problems: PlanProblem[] = []
  readonly warnings: PlanProblem[] = []
  readonly #file: string
  readonly #block: Block
  readonly #lines = new LineCounter()

  constructor(file: string, block: Block) {
    this.#file = file
    this.#block = block
  }

  /** The whole block; undefined when it is no YAML that may be read further. */
  parse(): Value | undefined {
    const { text, closed, fenceLine } = this.#block
    const top = { path: '', line: fenceLine }
    if (!closed) {
      this.report('yaml-syntax', top, 'the block is never closed; end it with a line of ``` at the margin')
      return undefined
    }
    const document = parseDocument(text, {
      lineCounter: this.#lines,
      prettyErrors: false,
      schema: 'core',
      version: '1.2',
    })
    for (const { message, pos } of document.errors) {
      this.report('yaml-syntax', { path: '', line: this.#lineAt(pos[0]) }, firstLine(message))
    }
    if (document.errors.length > 0) return undefined
    if (document.directives.yaml.explicit === true || Object.keys(document.directives.tags).length > 1) {
      this.report('yaml-syntax', { path: '', line: this.#block.firstLine }, 'directives (%…) are not allowed')
    }
    visit(document, {
      Node: (_, node) => {
        const place = { path: '', line: this.#lineOf(node) }
        if (isAlias(node) || node.anchor !== undefined) {
          this.report('yaml-syntax', place, 'anchors and aliases (&, *) are not allowed; write the values out')
        } else if (node.tag !== undefined) {
          this.report('yaml-syntax', place, 'tags (!) are not allowed; write the value without one')
        }
      },
    })
    if (this.problems.length > 0) return undefined
    return { ...top, node: document.contents ?? undefined }
  }

  report(code: PlanProblemCode, { path, line }: Pick<Value, 'path' | 'line'>, message: string): void {
    this.problems.push({ code, file: this.#file, line, path, message })
  }

  warn(code: PlanProblemCode, { path, line }: Pick<Value, 'path' | 'line'>, message: string): void {
    this.warnings.push({ code, file: this.#file, line, path, message })
  }

  /** The entries of a map whose keys are all `known`; what is not is reported. Undefined: it is no map. */
  map(value: Value, known: readonly string[]): Fields | undefined {
    if (!isMap<Node, Node | null>(value.node)) {
      this.report('wrong-value', value, `is ${shown(value)}, not a map; keys: ${known.join(', ')}`)
      return undefined
    }
    const fields = new Map<string, Value>()
    for (const { key, value: node } of value.node.items) {
      const name = isScalar(key) ? String(key.value) : '?'
      const path = value.path === '' ? name : `${value.path}.${name}`
      const line = this.#lineOf(key)
      if (known.includes(name)) fields.set(name, { node: node ?? undefined, path, line })
      else this.report('unknown-key', { path, line }, `there is no such key; allowed: ${known.join(', ')}`)
    }
    return fields
  }

  list(value: Value): Value[] | undefined {
    if (!isSeq<Node>(value.node) || value.node.items.length === 0) {
      this.report('wrong-value', value, `is ${shown(value)}, not a list with at least one entry`)
      return undefined
    }
    return value.node.items.map((node, index) => ({
      node,
      path: `${value.path}[${index}]`,
      line: this.#lineOf(node),
    }))
  }

  #lineOf(node: Node): number {
    return this.#lineAt(node.range?.[0] ?? 0)
  }

  #lineAt(offset: number): number {
    return this.#block.firstLine - 1 + Math.max(1, this.#lines.linePos(offset).line)
  }
}

export type Fields = ReadonlyMap<string, Value>

/** The value of a scalar; undefined for anything else. */
export function scalarOf({ node }: Value): unknown {
  return isScalar(node) ? (node.value ?? undefined) : undefined
}

/** As it was written, cut where it is long. */
export function shown(value: Value): string {
  const { node } = value
  if (isMap(node)) return 'a map'
  if (isSeq(node)) return node.items.length === 0 ? 'an empty list' : 'a list'
  const scalar = scalarOf(value)
  if (scalar === undefined) return 'empty'
  const text = typeof scalar === 'string' ? JSON.stringify(scalar) : String(scalar)
  return text.length > 60 ? `${text.slice(0, 60)}…` : text
}

function firstLine(text: string): string {
  return text.split('\n')[0] ?? text
}
