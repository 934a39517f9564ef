// `cutover report --format html`: a file that opens, a folder of pages, and refusals before anything is written.

import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { packageVersion } from '../../src/config/package.ts'
import { openCutover } from '../../src/index.ts'
import { type Bed, bed, configOf, configText } from './kit.ts'

const ROOT = join(import.meta.dirname, '../..')

let place: Bed

beforeAll(async () => {
  place = bed()
  place.write('cutover.config.ts', configText(place))
  place.write('flags.yaml', 'parse-email: { target: 0%, shadow: 0% }\n')
  const cutover = await openCutover(configOf(place), { by: 'redis://:hunter2@db.example/1' })
  await cutover.enqueue('parse-email', { id: 'mail-1', from: 'a@example.org', text: 'plain' })
  await cutover.rollback('parse-email', { why: 'token in https://x.example/?token=hunter2' })
  await cutover.close()
})

afterAll(() => place?.remove())

describe('report --format html', () => {
  test('writes one page, with the configuration and without secrets', async () => {
    const { code, stdout, stderr } = await place.cli(
      'report',
      'parse-email',
      '--format',
      'html',
      '-o',
      'out/report.html',
    )
    const path = join(place.folder, 'out/report.html')
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: `written to ${path}\n`, stderr: '' })
    const page = readFileSync(path, 'utf8')
    expect(page).toMatch(/^<!doctype html>/)
    expect(page).toContain('<th scope="row" class="t">time-out of an attempt</th>')
    expect(page).toContain('redis://***@db.example/1')
    expect(page).not.toContain('hunter2')
    // style and script are as the policy has them: nothing on the way has touched them
    for (const tag of ['style', 'script']) {
      const [, text = ''] = new RegExp(`<${tag}>([\\s\\S]*?)</${tag}>`).exec(page) ?? []
      expect(page).toContain(`'sha256-${createHash('sha256').update(text).digest('base64')}'`)
    }
  })

  test('the redaction is in the model: the library gives it too', async () => {
    const cutover = await openCutover(configOf(place), { by: 'test' })
    try {
      expect(JSON.stringify(await cutover.report())).not.toContain('hunter2')
    } finally {
      await cutover.close()
    }
  })

  test('goes to standard output without -o, and tells its path as JSON', async () => {
    expect((await place.cli('report', '--format', 'html')).stdout).toMatch(/^<!doctype html>[\s\S]*<\/html>\n$/)
    const { value } = await place.json('report', '--format', 'html', '-o', 'r.html')
    expect(value).toEqual({ written: join(place.folder, 'r.html'), format: 'html' })
  })

  test('--all writes a page for each migration and an index', async () => {
    const { value } = await place.json('report', '--all', '--format', 'html', '-o', 'pages')
    const names = readdirSync(join(place.folder, 'pages')).toSorted()
    expect(value.written.toSorted()).toEqual(names.map((name) => join(place.folder, 'pages', name)))
    expect(names).toContain('index.html')
    expect(readFileSync(join(place.folder, 'pages/index.html'), 'utf8')).toContain('<a href="parse-email.html">')
  })

  test('links lead to the docs that were said, or are installed where it is written', async () => {
    const installed = join(place.folder, 'node_modules/cutover')
    mkdirSync(join(installed, 'docs'), { recursive: true })
    writeFileSync(join(installed, 'docs/report.md'), '')
    writeFileSync(join(installed, 'package.json'), JSON.stringify({ name: 'cutover', version: packageVersion() }))
    const docs = async (...argv: string[]) => {
      await place.cli('report', '--format', 'json', '-o', 'a/b.json', ...argv)
      return JSON.parse(readFileSync(join(place.folder, 'a/b.json'), 'utf8')).docs
    }
    expect(await docs('--docs', 'https://docs.example')).toBe('https://docs.example/')
    expect(await docs()).toBe('../node_modules/cutover/docs/')
    expect((await place.json('report')).value.docs).toBeNull()
    await place.cli('report', '--all', '--format', 'html', '-o', 'a/pages')
    const page = readFileSync(join(place.folder, 'a/pages/parse-email.html'), 'utf8')
    expect(page).toContain('<a href="../../node_modules/cutover/docs/report.md#latency" rel="noreferrer">')
    expect(page).not.toContain(place.folder)
    rmSync(installed, { recursive: true })
    expect(await docs()).toBeNull()
  })

  test.each([
    [
      ['report', '--docs', 'javascript:alert(1)'],
      1,
      '--docs begins with javascript:; allowed: an https, http or file URL',
    ],
    [['report', '--docs', 'https://bo:hunter2@docs.example'], 1, '--docs has a user or a password'],
    [['report', '--all', '--format', 'html'], 2, 'name their folder'],
    [['report', 'parse-email', '--all'], 2, 'contradict each other'],
    [['report', '--format', 'html', '--json'], 2, 'contradict each other'],
    [['report', '--all', '--format', 'html', '-o', 'cutover.config.ts'], 1, 'is a file; with --all it is a folder'],
  ])('%j is refused', async (argv, exit, message) => {
    const before = readdirSync(place.folder).toSorted()
    const { code, stdout, stderr } = await place.cli(...argv)
    expect({ code, told: (stdout + stderr).includes(message) }).toEqual({ code: exit, told: true })
    expect(readdirSync(place.folder).toSorted()).toEqual(before)
  })
})

test.each(['src/index.ts', 'src/cli/run.ts'])('%s does not load the charting library', (file) => {
  const script = `
    const { registerHooks } = require('node:module')
    const seen = []
    registerHooks({ resolve: (name, context, next) => (seen.push(name), next(name, context)) })
    import(process.argv[1]).then(() => console.log(JSON.stringify(seen)))`
  expect(existsSync(join(ROOT, file))).toBe(true)
  const { stdout } = spawnSync(process.execPath, ['-e', script, join(ROOT, file)], { encoding: 'utf8' })
  const seen = JSON.parse(stdout) as string[]
  expect(seen.length).toBeGreaterThan(20)
  expect(seen.filter((name) => /echarts|zrender|^diff$/.test(name))).toEqual([])
})
