// Writing dials into a flag file: what is kept, what is refused, and what several writers do to each other.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { fileFlags } from '../../adapters/flags/file/index.ts'
import { replace, writeFlag } from '../../adapters/flags/file/write.ts'

const FLAG = 'parse-email'
let folder: string
let path: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cutover-flags-'))
  path = join(folder, 'flags.yaml')
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

async function written(before: string, dials = { target: 0.25, shadow: 1 }, flag = FLAG): Promise<string> {
  writeFileSync(path, before)
  await writeFlag(path, flag, dials)
  expect(readdirSync(folder)).toEqual(['flags.yaml'])
  return readFileSync(path, 'utf8')
}

describe('what is written', () => {
  it('keeps comments, order, other flags and their form', async () => {
    const before = `# Flags of the mail service
# second line

thread-email: off # not yet

parse-email:
  # raised slowly
  target: 10% # since Monday
  shadow: 100%

index: { target: 5%, shadow: 5% } # flow
last: legacy-shadowed
`
    expect(await written(before)).toBe(before.replace('10% # since', '25% # since'))
  })

  it.each<[string, string, string]>([
    ['a map in a line', 'parse-email: { target: 1%, shadow: 2% }\n', 'parse-email: { target: 25%, shadow: 100% }\n'],
    ['a route and its comment', 'parse-email: legacy # why\n', 'parse-email: { target: 25%, shadow: 100% } # why\n'],
    ['off', 'parse-email: off\nb: off\n', 'parse-email: { target: 25%, shadow: 100% }\nb: off\n'],
    ['a new flag', 'b: off\n', 'b: off\nparse-email: { target: 25%, shadow: 100% }\n'],
    ['no flags yet', '# note\n{}\n', '# note\nparse-email: { target: 25%, shadow: 100% }\n'],
    ['a dial that was left out', 'parse-email: { target: 1% }\n', 'parse-email: { target: 25%, shadow: 100% }\n'],
    ['lines of another system', '# a\r\nparse-email: off\r\n', '# a\r\nparse-email: { target: 25%, shadow: 100% }\r\n'],
    [
      'a long comment',
      `# ${'word '.repeat(60)}end\nparse-email: off\n`,
      `# ${'word '.repeat(60)}end\nparse-email: { target: 25%, shadow: 100% }\n`,
    ],
    [
      'JSON stays JSON',
      '{ "b": "off",\n "parse-email": "off", "c": true }',
      '{\n  "b": "off",\n  "parse-email": {\n    "target": "25%",\n    "shadow": "100%"\n  },\n  "c": true\n}\n',
    ],
  ])('%s', async (_name, before, after) => {
    expect(await written(before)).toBe(after)
  })

  it('is a new file where there was none, by its name', async () => {
    await writeFlag(path, FLAG, { target: 0.001, shadow: 0.5 })
    expect(readFileSync(path, 'utf8')).toBe('parse-email: { target: 0.1%, shadow: 50% }\n')
    const json = join(folder, 'flags.json')
    await writeFlag(json, FLAG, { target: 1, shadow: 0 })
    expect(JSON.parse(readFileSync(json, 'utf8'))).toEqual({ [FLAG]: { target: '100%', shadow: '0%' } })
  })

  it('does not touch a file that says it already, keeps its mode, and links', async () => {
    writeFileSync(path, 'parse-email: { target: 25%, shadow: 100% }\n')
    const { ino } = statSync(path)
    await writeFlag(path, FLAG, { target: 0.25, shadow: 1 })
    expect(statSync(path).ino).toBe(ino)
    chmodSync(path, 0o640)
    symlinkSync(path, join(folder, 'link.yaml'))
    await writeFlag(join(folder, 'link.yaml'), FLAG, { target: 0, shadow: 0 })
    expect(lstatSync(join(folder, 'link.yaml')).isSymbolicLink()).toBe(true)
    expect(statSync(path).mode & 0o777).toBe(0o640)
    expect(readFileSync(path, 'utf8')).toMatch(/target: 0%/)
  })

  it('a boolean flag stays boolean', async () => {
    expect(await written('parse-email: on\n', { target: 0, shadow: 0 })).toBe('parse-email: false\n')
    expect(await written('parse-email: false\n', { target: 1, shadow: 0 })).toBe('parse-email: true\n')
    await expect(written('parse-email: true\n')).rejects.toMatchObject({ code: 'flag-not-writable' })
    expect(readFileSync(path, 'utf8')).toBe('parse-email: true\n')
  })

  it('is applied in the writer’s own process before it answers, with its revision', async () => {
    writeFileSync(path, 'parse-email: off\n')
    const flags = fileFlags({ path, poll: '1h' }).create({ flags: [FLAG] })
    const other = fileFlags({ path, poll: '1h' }).create({ flags: [FLAG] })
    await Promise.all([flags.ready(), other.ready()])
    const seen = new Promise<void>((resolve) => other.onChange(resolve))
    const { revision } = (await flags.writer?.write(FLAG, { target: 1, shadow: 0 })) ?? { revision: '' }
    expect(flags.revision()).toBe(revision)
    expect(flags.decide({ flag: FLAG, key: 'a', flagKind: 'string' }).route).toBe('target')
    await seen
    expect(other.revision()).toBe(revision)
    await Promise.all([flags.close(), other.close()])
  })
})

describe('what is refused, and changes nothing', () => {
  it.each<[string, string, RegExp]>([
    [
      'a broken file',
      'parse-email: { target: 25 }\n',
      /flags.yaml:1: .*\nthe file is broken: nothing was written; repair it first$/,
    ],
    ['an empty file', '', /the file is empty/],
    ['half a file', 'parse-email: { target: 25%\n', /nothing was written/],
    ['a map that other flags share', 'parse-email: &a { target: 1% }\nb: *a\n', /without changing other flags/],
  ])('%s', async (_name, before, message) => {
    await expect(written(before)).rejects.toThrow(message)
    expect(readFileSync(path, 'utf8')).toBe(before)
    expect(readdirSync(folder)).toEqual(['flags.yaml'])
  })

  it.each([
    [{ target: -0.1, shadow: 0 }, /parse-email.target: -0.1 is not a share/],
    [{ target: 0, shadow: 1.1 }, /parse-email.shadow/],
    [{ target: 0.0005, shadow: 0 }, /steps of 0.001/],
    [{ target: Number.NaN, shadow: 0 }, /NaN is not a share/],
  ])('%o', async (dials, message) => {
    await expect(writeFlag(path, FLAG, dials)).rejects.toThrow(message)
    expect(existsSync(path)).toBe(false)
  })

  it('a folder that is not there', async () => {
    const error = await writeFlag(join(folder, 'no', 'flags.yaml'), FLAG, { target: 0, shadow: 0 }).catch(
      (e: unknown) => e,
    )
    expect(error).toMatchObject({ code: 'flag-not-writable', message: expect.stringMatching(/check that its folder/) })
  })

  it('an alias is written out, its anchor untouched', async () => {
    expect(await written('b: &a { target: 1% }\nparse-email: *a\n')).toBe(
      'b: &a { target: 1% }\nparse-email: { target: 25%, shadow: 100% }\n',
    )
  })
})

describe('several writers', () => {
  it('in one process lose nothing of each other', async () => {
    writeFileSync(path, '# kept\n{}\n')
    const names = Array.from({ length: 20 }, (_, index) => `flag-${index}`)
    await Promise.all(names.map((name, index) => writeFlag(path, name, { target: index / 1000, shadow: 0 })))
    const text = readFileSync(path, 'utf8')
    expect(text.startsWith('# kept\n')).toBe(true)
    for (const [index, name] of names.entries()) {
      expect(text).toContain(`${name}: { target: ${Number((index / 10).toFixed(1))}%, shadow: 0% }\n`)
    }
    expect(readdirSync(folder)).toEqual(['flags.yaml'])
  })

  it('in several processes neither', async () => {
    writeFileSync(path, 'kept: off # by a comment\n')
    const writer = join(import.meta.dirname, 'flag-writer.ts')
    const ends = ['a', 'b', 'c'].map(async (name) => {
      const child = spawn(process.execPath, [writer, path, name, '25'], { stdio: 'inherit' })
      const [code] = await once(child, 'exit')
      return code as number
    })
    expect(await Promise.all(ends)).toEqual([0, 0, 0])
    const text = readFileSync(path, 'utf8')
    expect(text.startsWith('kept: off # by a comment\n')).toBe(true)
    for (const name of ['a', 'b', 'c']) expect(text).toContain(`${name}: { target: 2.5%, shadow: 0% }\n`)
    expect(readdirSync(folder)).toEqual(['flags.yaml'])
  })

  it('take away a lock whose process is dead, or that is old', async () => {
    const dead = spawn(process.execPath, ['--eval', ''])
    await once(dead, 'exit')
    writeFileSync(`${path}.lock`, JSON.stringify({ pid: dead.pid, host: hostname(), token: 'x' }))
    expect(await written('b: off\n')).toContain(FLAG)
    for (const text of ['', JSON.stringify({ pid: 1, host: 'another-machine', token: 'x' })]) {
      writeFileSync(`${path}.lock`, text)
      const old = new Date(Date.now() - 60_000)
      utimesSync(`${path}.lock`, old, old)
      expect(await written('b: off\n')).toContain(FLAG)
    }
  })

  it('replace only what they have read, while the lock is theirs', async () => {
    const held = async (): Promise<boolean> => true
    writeFileSync(path, 'edited by hand\n')
    expect(await replace(path, 'as it was read\n', 'new\n', held)).toBe(false)
    expect(await replace(path, undefined, 'new\n', held)).toBe(false)
    expect(await replace(path, 'edited by hand\n', 'new\n', async () => false)).toBe(false)
    expect(readFileSync(path, 'utf8')).toBe('edited by hand\n')
    expect(await replace(path, 'edited by hand\n', 'new\n', held)).toBe(true)
    expect(readFileSync(path, 'utf8')).toBe('new\n')
    expect(readdirSync(folder)).toEqual(['flags.yaml'])
  })

  it('wait for a lock that is held', async () => {
    writeFileSync(path, 'b: off\n')
    writeFileSync(`${path}.lock`, JSON.stringify({ pid: process.pid, host: hostname(), token: 'x' }))
    let done = false
    const writing = writeFlag(path, FLAG, { target: 0, shadow: 0 }).then(() => {
      done = true
    })
    // Another file, written meanwhile, shows that time enough has passed.
    for (let count = 0; count < 20; count++)
      await writeFlag(join(folder, 'other.yaml'), 'x', { target: count / 1000, shadow: 0 })
    expect(done).toBe(false)
    expect(readFileSync(path, 'utf8')).toBe('b: off\n')
    rmSync(`${path}.lock`)
    await writing
    expect(readFileSync(path, 'utf8')).toContain(FLAG)
  })
})
