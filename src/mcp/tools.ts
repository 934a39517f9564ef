// The tools of a server: read to the last page within bounds, and stamped so that two lists can be compared.

import { createHash } from 'node:crypto'
import type { ToolStamp } from '../vocabulary/probe.ts'
import { ProbeError } from './classes.ts'

/** More are a failure (`too-many-tools`). */
export const MAX_TOOLS = 1000
const MAX_PAGES = 200
const MAX_NAME = 128

export interface ListedTool {
  readonly name: string
  readonly inputSchema: unknown
  readonly annotations?: { readonly readOnlyHint?: boolean | undefined } | undefined
}
export interface ToolPage<T extends ListedTool> {
  readonly tools: readonly T[]
  readonly nextCursor?: string | undefined
}

/** All pages. `too-many-tools`, `protocol-error`. */
export async function listAll<T extends ListedTool>(page: (cursor?: string) => Promise<ToolPage<T>>): Promise<T[]> {
  const tools: T[] = []
  const seen = new Set<string>()
  let cursor: string | undefined
  for (let pages = 0; ; pages += 1) {
    const { tools: more, nextCursor } = await page(cursor)
    tools.push(...more)
    if (tools.length > MAX_TOOLS)
      throw new ProbeError('too-many-tools', `it lists ${tools.length} tools or more; ${MAX_TOOLS} are accepted`)
    if (nextCursor === undefined) return tools
    if (seen.has(nextCursor) || pages >= MAX_PAGES)
      throw new ProbeError('protocol-error', 'its list of tools has no end: a cursor comes again, or too many pages')
    seen.add(nextCursor)
    cursor = nextCursor
  }
}

/** Sorted by name; a tool listed twice counts once. */
export function stampTools(tools: readonly ListedTool[]): readonly ToolStamp[] {
  const stamps = new Map(tools.map(({ name, inputSchema }) => [name.slice(0, MAX_NAME), schemaHash(inputSchema)]))
  return [...stamps].toSorted(([a], [b]) => (a < b ? -1 : 1))
}

/** The same for schemas that are equal, whatever the order of their keys. */
export function schemaHash(schema: unknown): string {
  return createHash('sha256')
    .update(JSON.stringify(sorted(schema, 0)) ?? '')
    .digest('base64url')
    .slice(0, 12)
}

const MAX_DEPTH = 100

function sorted(value: unknown, depth: number): unknown {
  if (typeof value !== 'object' || value === null || depth > MAX_DEPTH) return value
  if (Array.isArray(value)) return value.map((item) => sorted(item, depth + 1))
  const entries = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(entries.map(([name, item]) => [name, sorted(item, depth + 1)]))
}

/** What differs from `one` list to another, by tool name. */
export interface ToolDifference {
  /** In the first, not in the second. */
  readonly missing: readonly string[]
  readonly extra: readonly string[]
  /** In both, with different schemas. */
  readonly changed: readonly string[]
}

export function compareTools(one: readonly ToolStamp[], other: readonly ToolStamp[]): ToolDifference {
  const [left, right] = [new Map(one), new Map(other)]
  const names = [...left.keys()]
  return {
    missing: names.filter((name) => !right.has(name)),
    extra: [...right.keys()].filter((name) => !left.has(name)),
    changed: names.filter((name) => right.has(name) && right.get(name) !== left.get(name)),
  }
}

export function sameTools({ missing, extra, changed }: ToolDifference): boolean {
  return missing.length + extra.length + changed.length === 0
}
