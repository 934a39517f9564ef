// Where the links of a report lead: what may be said, what a package says of itself, what is installed beside the report.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { docsBase, installedDocs, publishedDocs } from '../../src/config/docs.ts'
import { resolveNamespace } from '../../src/config/resolve.ts'
import type { CutoverConfig } from '../../src/config/types.ts'

describe('docsBase', () => {
  test.each([
    ['https://wiki.example/cutover', 'https://wiki.example/cutover/'],
    ['http://wiki.example:8080/cutover/', 'http://wiki.example:8080/cutover/'],
    ['HTTPS://wiki.example/a(b)', 'https://wiki.example/a%28b%29/'],
    ['file:///srv/cutover/docs', 'file:///srv/cutover/docs/'],
    ['docs', 'docs/'],
    ['../node_modules/cutover/docs/', '../node_modules/cutover/docs/'],
    ['.', './'],
    ['v1.2/[new]', 'v1.2/%5Bnew%5D/'],
  ])('%s', (given, base) => {
    expect(docsBase(given)).toEqual({ base })
  })

  test.each([
    ['javascript:alert(1)', 'begins with javascript:'],
    ['JavaScript:alert(1)//', 'begins with javascript:'],
    ['data:text/html,x', 'begins with data:'],
    ['vbscript:x', 'begins with vbscript:'],
    ['java\tscript:alert(1)', 'no URL'],
    ['\u0001javascript:alert(1)', 'no URL'],
    [' https://wiki.example', 'no URL'],
    ['//evil.example/docs', 'absolute path'],
    ['\\\\evil.example\\docs', 'no URL'],
    ['/srv/app/node_modules/cutover/docs', 'absolute path'],
    ['https://', 'no URL'],
    ['https://bo:secret@wiki.example/', 'user or a password'],
    ['https://wiki.example/?token=secret', 'query'],
    ['https://wiki.example/#top', 'query or a #'],
    ['https://wiki.example/report.md', 'names a file'],
    ['"><script>alert(1)</script>', 'no URL'],
    ["'onmouseover='alert(1)", 'no URL'],
    ['döcs', 'no URL'],
    ['\u202edocs', 'no URL'],
    ['x'.repeat(1001), 'longer'],
    ['', 'no text'],
    [7, 'no text'],
    [null, 'no text'],
  ])('%j is refused', (given, why) => {
    expect(docsBase(given)).toMatchObject({ wrong: expect.stringContaining(why) })
  })

  test('the configuration refuses it by its path', () => {
    const create = () => undefined
    const config = { ledger: { create }, flags: { create }, migrations: { a: {} }, docs: 'javascript:alert(1)' }
    expect(() => resolveNamespace(config as unknown as CutoverConfig)).toThrow(
      /config: docs: begins with javascript:; an https, http or file URL/,
    )
    expect(resolveNamespace({ ...config, docs: 'docs' } as unknown as CutoverConfig)).toBe('default')
  })
})

describe('publishedDocs', () => {
  const github = 'https://github.com/some-one/cut.over/blob/v1.2.3/docs/'
  test.each([
    [{ url: 'git+https://github.com/some-one/cut.over.git' }, github],
    ['https://github.com/some-one/cut.over', github],
    [{ url: 'https://gitlab.com/a/b/c.git' }, 'https://gitlab.com/a/b/c/-/blob/v1.2.3/docs/'],
    [{ url: 'git+ssh://git@github.com/a/b.git' }, null],
    [{ url: 'https://git.example/a/b.git' }, null],
    [{ url: 'https://github.com.evil.example/a/b' }, null],
    [{ url: 'https://github.com/a/b"onclick="x' }, null],
    [{}, null],
    [undefined, null],
  ])('%j', (repository, base) => {
    expect(publishedDocs({ version: '1.2.3', repository })).toBe(base)
  })

  test('is none of no package', () => {
    expect(publishedDocs(undefined)).toBeNull()
    expect(publishedDocs({ repository: 'https://github.com/a/b' })).toBeNull()
  })
})

describe('installedDocs', () => {
  let root: string
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'cutover-docs-'))
  })
  afterEach(() => rmSync(root, { recursive: true, force: true }))

  function install(folder: string, manifest: object | string = { name: 'cutover', version: '1.2.3' }): void {
    mkdirSync(join(root, folder, 'docs'), { recursive: true })
    writeFileSync(join(root, folder, 'docs/report.md'), '# The report\n')
    const text = typeof manifest === 'string' ? manifest : JSON.stringify(manifest)
    writeFileSync(join(root, folder, 'package.json'), text)
  }
  const from = (folder: string): string | null => installedDocs(join(root, folder), '1.2.3')

  test('are found in the project that the report is written into, by a relative path', () => {
    install('my app/node_modules/cutover')
    expect(from('my app')).toBe('node_modules/cutover/docs/')
    expect(from('my app/reports/today')).toBe('../../node_modules/cutover/docs/')
    expect(from('elsewhere')).toBeNull()
  })

  test('of another version are none, nor what cannot be read; what lies further up is', () => {
    install('node_modules/cutover')
    install('one/node_modules/cutover', { name: 'cutover', version: '9.9.9' })
    install('two/node_modules/cutover', 'no JSON')
    install('three/node_modules/cutover', 'null')
    for (const folder of ['one', 'two', 'three']) expect(from(folder)).toBe('../node_modules/cutover/docs/')
  })

  test('in the package itself', () => {
    install('.')
    expect(from('.')).toBe('docs/')
    expect(from('docs')).toBe('./')
    expect(from('docs/images')).toBe('../')
  })

  test('of another package are none', () => {
    install('.', { name: 'other', version: '1.2.3' })
    expect(from('.')).toBeNull()
  })
})
