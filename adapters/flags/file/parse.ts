// What does a flag file say? Text in, values and problems out; every problem has its path, its line where there is
// one, and what is allowed instead.

import type { Document, Node, Pair, YAMLMap } from 'yaml'
import type { DialsReading } from '../../../src/ports/flags.ts'
import { parseShare } from '../../../src/vocabulary/dials.ts'
import { CutoverError, isCutoverError } from '../../../src/vocabulary/errors.ts'
import { isShadowed, ROUTES, type Route, sideOf } from '../../../src/vocabulary/job.ts'

/** What a flag file can say of one flag. */
export type FlagValue = Exclude<DialsReading, { readonly kind: 'custom' | 'missing' }>

export interface Problem {
  /** The flag that it is about; undefined where the file as a whole cannot be read. */
  readonly flag?: string
  readonly line?: number
  readonly message: string
}

export interface FlagFile {
  /** The flags without problems. */
  readonly values: ReadonlyMap<string, FlagValue>
  readonly problems: readonly Problem[]
  /** For editing with comments kept. */
  readonly document: Document
}

const ALLOWED = `write { target: 25%, shadow: 100% }, one of ${ROUTES.join(', ')}, or off (on or true, false for a boolean flag)`

const WORDS: Readonly<Record<string, FlagValue>> = {
  off: { kind: 'off' },
  on: { kind: 'boolean', on: true },
  ...Object.fromEntries(ROUTES.map((route) => [route, dialsOf(route)])),
}

function dialsOf(route: Route): FlagValue {
  return { kind: 'dials', target: sideOf(route) === 'target' ? 1 : 0, shadow: isShadowed(route) ? 1 : 0 }
}

export type Yaml = typeof import('yaml')

let yaml: Promise<Yaml> | undefined

/** Loaded with the first file that is read, not with the configuration. */
export function loadYaml(): Promise<Yaml> {
  yaml ??= import('yaml')
  return yaml
}

/** Reads a flag file, YAML or JSON (which is YAML too). */
export async function parseFlagFile(text: string): Promise<FlagFile> {
  const { LineCounter, parseDocument, ...types } = await loadYaml()
  const lines = new LineCounter()
  const document: Document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const reader = new Reader(types, document, (offset) => lines.linePos(offset).line)
  for (const { message, pos } of [...document.errors, ...document.warnings]) {
    reader.problems.push({ line: lines.linePos(pos[0]).line, message: message.trim() })
  }
  if (reader.problems.length === 0) reader.readRoot()
  return { values: reader.values, problems: reader.problems, document }
}

/** The problems of a file as one error. */
export function flagFileError(path: string, problems: readonly Problem[]): CutoverError {
  const shown = problems
    .slice(0, 5)
    .map(({ line, message }) => `${path}${line === undefined ? '' : `:${line}`}: ${message}`)
  if (problems.length > shown.length) shown.push(`… and ${problems.length - shown.length} more`)
  const line = problems[0]?.line
  return new CutoverError('flag-invalid', shown.join('\n'), {
    details: { path, ...(line === undefined ? {} : { line }) },
  })
}

type Types = Pick<Yaml, 'isAlias' | 'isMap' | 'isScalar'>

class Reader {
  readonly values = new Map<string, FlagValue>()
  readonly problems: Problem[] = []
  readonly #types: Types
  readonly #document: Document
  readonly #lineAt: (offset: number) => number

  constructor(types: Types, document: Document, lineAt: (offset: number) => number) {
    this.#types = types
    this.#document = document
    this.#lineAt = lineAt
  }

  readRoot(): void {
    const root = this.#document.contents
    // An editor that writes in place empties the file first: nothing at all must not mean "no flags".
    if (root === null) {
      this.#problem('the file is empty; write {} for no flags', root)
    } else if (this.#types.isMap(root)) {
      for (const pair of root.items) this.#readFlag(pair as Pair<Node, Node | null>)
    } else {
      this.#problem('the file must be a map of flags, e.g. parse-email: { target: 25%, shadow: 100% }', root)
    }
  }

  #readFlag(pair: Pair<Node, Node | null>): void {
    const name = this.#types.isScalar(pair.key) ? pair.key.value : undefined
    if (typeof name !== 'string' || name === '') {
      this.#problem(`${String(pair.key)}: a flag's name must be a text; put it in quotes`, pair.key)
      return
    }
    const node = this.#resolve(pair.value)
    const value = this.#types.isMap(node) ? this.#dials(name, node) : this.#word(name, node, pair.key)
    if (value !== undefined) this.values.set(name, value)
  }

  #word(flag: string, node: Node | null, key: Node): FlagValue | undefined {
    const value = this.#types.isScalar(node) ? node.value : undefined
    if (typeof value === 'boolean') return { kind: 'boolean', on: value }
    const known = typeof value === 'string' && Object.hasOwn(WORDS, value) ? WORDS[value] : undefined
    if (known === undefined)
      this.#problem(`${flag}: ${shown(node)} is not a flag's value; ${ALLOWED}`, node ?? key, flag)
    return known
  }

  #dials(flag: string, map: YAMLMap): FlagValue | undefined {
    const before = this.problems.length
    const dials = { target: 0, shadow: 0 }
    for (const { key, value } of map.items as Pair<Node, Node | null>[]) {
      const name = this.#types.isScalar(key) ? key.value : undefined
      if (name === 'target' || name === 'shadow') dials[name] = this.#share(flag, name, this.#resolve(value), key)
      else if (name === 'control')
        this.#problem(
          `${flag}.control: kept in the ledger, not in the flag; remove it and run: cutover flag set ${flag} --control 10%`,
          key,
          flag,
        )
      else this.#problem(`${flag}.${String(name ?? key)}: not a dial; allowed are target and shadow`, key, flag)
    }
    if (map.items.length === 0) this.#problem(`${flag}: no dials; ${ALLOWED}`, map, flag)
    return this.problems.length === before ? { kind: 'dials', ...dials } : undefined
  }

  #share(flag: string, dial: string, node: Node | null, key: Node): number {
    const where = `${flag}.${dial}`
    const text = this.#types.isScalar(node) && typeof node.value === 'string' ? node.value : undefined
    if (text === undefined) {
      this.#problem(
        `${where}: ${shown(node)} is not a share; write 0% to 100% with the sign, e.g. 25%`,
        node ?? key,
        flag,
      )
      return 0
    }
    try {
      return parseShare(text, where)
    } catch (error) {
      if (!isCutoverError(error)) throw error
      this.#problem(error.message, node, flag)
      return 0
    }
  }

  #resolve(node: Node | null): Node | null {
    return this.#types.isAlias(node) ? (node.resolve(this.#document) ?? null) : node
  }

  #problem(message: string, node: Node | null, flag?: string): void {
    const offset = node?.range?.[0]
    this.problems.push({
      message,
      ...(flag === undefined ? {} : { flag }),
      ...(offset === undefined ? {} : { line: this.#lineAt(offset) }),
    })
  }
}

/** A wrong value as it stands in the file, cut. */
function shown(node: Node | null): string {
  if (node === null) return 'nothing'
  const text = JSON.stringify(node.toJSON()) ?? 'this'
  return text.length > 60 ? `${text.slice(0, 60)}…` : text
}
