// Holds the import directions of docs/design.md: who may import whom.

import { globSync, readFileSync } from 'node:fs'
import { dirname, join, posix, relative } from 'node:path'
import { describe, expect, test } from 'vitest'

const ROOT = join(import.meta.dirname, '../..')

/** Which parts of `src/` a part may import, besides itself. */
const MAY: Readonly<Record<string, readonly string[]>> = {
  vocabulary: [],
  ports: ['vocabulary'],
  comparison: ['vocabulary', 'ports'],
  mcp: ['vocabulary', 'ports'],
  config: ['vocabulary', 'ports', 'comparison', 'mcp'],
  routing: ['vocabulary', 'ports', 'config'],
  backlog: ['vocabulary', 'ports', 'config'],
  execution: ['vocabulary', 'ports', 'config', 'comparison', 'mcp'],
  rollout: ['vocabulary', 'ports', 'config', 'comparison'],
  report: ['vocabulary', 'ports', 'config', 'comparison', 'backlog', 'mcp', 'rollout'],
  // composes the parts: runtime, cutover, index
  root: ['vocabulary', 'ports', 'comparison', 'config', 'routing', 'backlog', 'mcp', 'execution', 'rollout', 'report'],
  testing: ['root', 'vocabulary', 'ports', 'config', 'comparison', 'execution', 'mcp', 'routing', 'adapters'],
  cli: [
    'root',
    'vocabulary',
    'ports',
    'config',
    'comparison',
    'mcp',
    'routing',
    'backlog',
    'rollout',
    'report',
    'adapters',
  ],
}

function partOf(file: string): string {
  const [top, second, ...rest] = file.split('/')
  if (top !== 'src') return top ?? ''
  return rest.length === 0 ? 'root' : (second ?? '')
}

function importsOf(file: string): string[] {
  const text = readFileSync(join(ROOT, file), 'utf8')
  const found = [...text.matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g)].map((match) => match[1] as string)
  return found.map((target) => posix.normalize(posix.join(dirname(file), target)))
}

const files = globSync(['src/**/*.ts', 'adapters/**/*.ts'], { cwd: ROOT }).map((file) => file.replaceAll('\\', '/'))

describe('import directions', () => {
  test('there are files to look at', () => {
    expect(files.length).toBeGreaterThan(30)
  })

  test.each(files.filter((file) => file.startsWith('src/')))('%s', (file) => {
    const part = partOf(file)
    const allowed = MAY[part]
    expect(allowed, `${part} is a part of no layer`).toBeDefined()
    for (const target of importsOf(file)) {
      const to = partOf(relative(ROOT, join(ROOT, target)).replaceAll('\\', '/'))
      expect([part, ...(allowed ?? [])], `${file} imports ${target}`).toContain(to)
    }
  })

  test.each(files.filter((file) => file.startsWith('adapters/')))('%s', (file) => {
    const own = file.split('/').slice(0, 3).join('/')
    for (const target of importsOf(file)) {
      const ok =
        /^src\/(ports|vocabulary)\//.test(target) ||
        target.startsWith(`${own}/`) ||
        /^adapters\/[^/]+\.ts$/.test(target)
      expect(ok, `${file} imports ${target}`).toBe(true)
    }
  })
})
