// The flag file as a source: what it decides, how a change is seen, what a broken or missing file does.

import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  watch,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { fileFlags } from '../../adapters/flags/file/index.ts'
import { SETTLE_MS } from '../../adapters/flags/file/source.ts'
import type { FlagHealth, FlagSource } from '../../src/ports/flags.ts'

const FLAG = 'parse-email'
/** A poll so slow that only events can have told. */
const NEVER = '1h'

let folder: string
let path: string
const open: FlagSource[] = []

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cutover-flags-'))
  path = join(folder, 'cutover.flags.yaml')
})
afterEach(async () => {
  await Promise.all(open.splice(0).map((source) => source.close()))
  rmSync(folder, { recursive: true, force: true })
})

async function source(options: { poll?: '1h' | '20ms'; flags?: string[]; at?: string } = {}): Promise<FlagSource> {
  const created = fileFlags({ path: options.at ?? path, poll: options.poll ?? NEVER }).create({
    flags: options.flags ?? [FLAG],
  })
  open.push(created)
  await created.ready()
  return created
}

function ask(flags: FlagSource, flag = FLAG, flagKind: 'string' | 'boolean' = 'string', key = 'a@b.c'): string {
  const { route, reason } = flags.decide({ flag, key, flagKind })
  return `${route} ${reason}`
}

/** Does something and waits until the source says that it changed. */
async function changed(flags: FlagSource, change: () => void, until = (): boolean => true): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const stop = flags.onChange(() => {
    if (until()) resolve()
  })
  const begin = performance.now()
  change()
  await promise
  stop()
  return performance.now() - begin
}

function replaceBy(text: string): void {
  writeFileSync(`${path}.new`, text)
  renameSync(`${path}.new`, path)
}

/**
 * Writes in place in two parts, the second 2.5 ms after the first one's event. Answers the time from before the first
 * part to after the second: the file was half for no longer than that, however the machine held up either process.
 */
async function writeInTwoParts(first: string, second: string): Promise<number> {
  const event = Promise.withResolvers<void>()
  const watcher = watch(folder, () => event.resolve())
  const begin = performance.now()
  writeFileSync(path, first)
  await event.promise
  watcher.close()
  const told = performance.now()
  while (performance.now() - told < 2.5) await new Promise((resolve) => setImmediate(resolve))
  appendFileSync(path, second)
  return performance.now() - begin
}

const state = (flags: FlagSource): FlagHealth['state'] => flags.health().state

describe('decisions', () => {
  it('come from the file, with reasons', async () => {
    writeFileSync(path, `${FLAG}: target-shadowed\nhalf: { target: 50% }\nstopped: off\nswitch: on\nnot: false\n`)
    const flags = await source()
    expect(flags.kind).toBe('file')
    expect(flags.origin).toBe(path)
    expect(ask(flags)).toBe('target-shadowed flag')
    expect(ask(flags, FLAG, 'string', '')).toBe('legacy empty-key')
    expect(ask(flags, 'unknown')).toBe('legacy flag-missing')
    expect(ask(flags, 'stopped')).toBe('legacy flag-off')
    expect(ask(flags, 'switch')).toBe('legacy flag-doubt')
    expect(ask(flags, 'switch', 'boolean')).toBe('target flag')
    expect(ask(flags, 'not', 'boolean')).toBe('legacy flag-off')
    expect(ask(flags, 'half', 'boolean')).toBe('legacy flag-doubt')
    expect(flags.read(FLAG)).toEqual({ kind: 'dials', target: 1, shadow: 1 })
    expect(flags.read('stopped')).toEqual({ kind: 'off' })
    expect(flags.read('switch')).toEqual({ kind: 'boolean', on: true })
    expect(flags.read('unknown')).toEqual({ kind: 'missing' })
    expect(flags.health()).toMatchObject({ state: 'ok' })
    expect(flags.health().message).toBeUndefined()
  })

  it('are a doubt until the file was read', () => {
    writeFileSync(path, `${FLAG}: target\n`)
    const flags = fileFlags({ path, poll: NEVER }).create({ flags: [FLAG] })
    open.push(flags)
    expect(ask(flags)).toBe('legacy flag-doubt')
    expect(state(flags)).toBe('starting')
  })

  it('name the flags that have no value', async () => {
    writeFileSync(path, 'parse-emial: target\n')
    const flags = await source({ flags: [FLAG, 'parse-emial'] })
    expect(flags.health()).toMatchObject({
      state: 'ok',
      message: `${path}: no value for ${FLAG}; their jobs go to legacy`,
    })
  })

  it('have a revision that follows the values, not the text', async () => {
    writeFileSync(path, `${FLAG}: { target: 100%, shadow: 0% }\nother: off\n`)
    // Taken at once: these sources go on watching.
    const first = (await source()).revision()
    writeFileSync(path, `# the same\nother: off\n${FLAG}: target\n`)
    const same = (await source()).revision()
    writeFileSync(path, `${FLAG}: target\nother: false\n`)
    const third = (await source()).revision()
    expect(first).toMatch(/^[0-9a-f]{12}$/)
    expect(same).toBe(first)
    expect(third).not.toBe(first)
  })
})

describe('changes', () => {
  it('are seen in milliseconds when the file is replaced, again and again', async () => {
    writeFileSync(path, `${FLAG}: legacy\n`)
    const flags = await source()
    const times: number[] = []
    for (let round = 0; round < 5; round++) {
      times.push(await changed(flags, () => replaceBy(`${FLAG}: target\n`)))
      expect(ask(flags)).toBe('target flag')
      times.push(await changed(flags, () => replaceBy(`${FLAG}: legacy-shadowed\n`)))
      expect(ask(flags)).toBe('legacy-shadowed flag')
    }
    // The median: a loaded machine may hold up one of them.
    expect(times.sort((a, b) => a - b)[5]).toBeLessThan(100)
  })

  it('are seen when the file is written in place, without reading half of it', async () => {
    writeFileSync(path, `other: off\n${FLAG}: legacy\n`)
    const flags = await source()
    let counted = 0
    for (let round = 0; counted < 5 && round < 300; round++) {
      const route = round % 2 === 0 ? 'target' : 'legacy-shadowed'
      const seen: string[] = []
      const stop = flags.onChange(() => seen.push(ask(flags)))
      const done = changed(
        flags,
        () => {},
        () => ask(flags) === `${route} flag`,
      )
      const pause = await writeInTwoParts('other: off\n', `${FLAG}: ${route}\n`)
      await done
      stop()
      // The half is good YAML without the flag. Where the pause may have outlasted the settling, the round says nothing.
      if (pause > SETTLE_MS - 1) continue
      counted++
      expect(seen).toEqual([`${route} flag`])
    }
    expect(counted).toBe(5)
  })

  it('say nothing when the values stay', async () => {
    writeFileSync(path, `${FLAG}: legacy\n`)
    const flags = await source()
    let told = 0
    flags.onChange(() => told++)
    writeFileSync(path, `# only a comment\n${FLAG}: legacy\n`)
    await flags.writer?.write(FLAG, { target: 0, shadow: 0 })
    expect(told).toBe(0)
    await changed(flags, () => replaceBy(`${FLAG}: target\n`))
    expect(told).toBe(1)
  })

  it('are seen by the poll where no event comes: behind a link into another folder', async () => {
    mkdirSync(join(folder, 'elsewhere'))
    const real = join(folder, 'elsewhere', 'flags.yaml')
    writeFileSync(real, `${FLAG}: legacy\n`)
    symlinkSync(real, path)
    const flags = await source({ poll: '20ms' })
    await changed(flags, () => writeFileSync(real, `${FLAG}: target\n`))
    expect(ask(flags)).toBe('target flag')
  })

  it('are seen when the folder comes later, or is another one', async () => {
    const at = join(folder, 'later', 'flags.yaml')
    const flags = await source({ poll: '20ms', at })
    expect(ask(flags)).toBe('legacy flag-missing')
    for (const route of ['target', 'legacy-shadowed']) {
      await changed(
        flags,
        () => {
          rmSync(join(folder, 'later'), { recursive: true, force: true })
          mkdirSync(join(folder, 'later'))
          writeFileSync(at, `${FLAG}: ${route}\n`)
        },
        () => state(flags) === 'ok' && ask(flags) === `${route} flag`,
      )
    }
  })

  it('reach every listener, though one throws, and none after it left', async () => {
    writeFileSync(path, `${FLAG}: legacy\n`)
    const flags = await source()
    const heard: string[] = []
    const stop = flags.onChange(() => heard.push('left'))
    stop()
    const thrown = Promise.withResolvers<unknown>()
    const before = process.listeners('uncaughtException')
    process.removeAllListeners('uncaughtException')
    process.once('uncaughtException', thrown.resolve)
    flags.onChange(() => {
      throw new Error('a listener’s own fault')
    })
    flags.onChange(() => heard.push('second'))
    await changed(flags, () => replaceBy(`${FLAG}: target\n`))
    expect(String(await thrown.promise)).toMatch(/own fault/)
    for (const listener of before) process.on('uncaughtException', listener)
    expect(heard).toEqual(['second'])
  })
})

describe('a broken file', () => {
  it('keeps the last good values, says so, and tells of its recovery', async () => {
    writeFileSync(path, `${FLAG}: target\n`)
    const flags = await source()
    const revision = flags.revision()
    await changed(flags, () => replaceBy(`${FLAG}: { target: 25 }\n`))
    expect(ask(flags)).toBe('target flag')
    expect(flags.revision()).toBe(revision)
    expect(flags.health().state).toBe('broken')
    expect(flags.health().message).toMatch(
      /yaml:1: parse-email.target: 25 is not a share.*\nthe last good values are kept$/,
    )
    const age = flags.health().ageMs
    await changed(flags, () => replaceBy(`${FLAG}: target\n`))
    expect(flags.health()).toMatchObject({ state: 'ok' })
    expect(flags.health().message).toBeUndefined()
    expect(flags.health().ageMs).toBeLessThan(age + 1000)
    expect(flags.revision()).toBe(revision)
  })

  it('gives no part of itself: a good flag beside a wrong one waits too', async () => {
    writeFileSync(path, `${FLAG}: target\nother: legacy\n`)
    const flags = await source()
    await changed(flags, () => replaceBy(`${FLAG}: legcy\nother: target\n`))
    expect([ask(flags), ask(flags, 'other')]).toEqual(['target flag', 'legacy flag'])
  })

  it('from the start is legacy for all, with the reason', async () => {
    writeFileSync(path, `${FLAG}: tagret\nother: target\n`)
    const flags = await source()
    expect(ask(flags)).toBe('legacy flag-unknown-value')
    expect(ask(flags, 'other')).toBe('legacy flag-error')
    expect(flags.read('other')).toEqual({ kind: 'missing' })
    expect(flags.health()).toMatchObject({ state: 'broken', ageMs: Number.POSITIVE_INFINITY })
    expect(flags.health().message).toMatch(/every job goes to legacy until it is repaired$/)
    await changed(flags, () => replaceBy(`${FLAG}: target\n`))
    expect(ask(flags)).toBe('target flag')
  })

  it('emptied is broken, not without flags', async () => {
    writeFileSync(path, `${FLAG}: target\n`)
    const flags = await source()
    await changed(flags, () => replaceBy(''))
    expect(ask(flags)).toBe('target flag')
    expect(flags.health().message).toMatch(/the file is empty/)
    await changed(flags, () => replaceBy('{}'))
    expect(ask(flags)).toBe('legacy flag-missing')
  })
})

describe('a missing file', () => {
  it('is legacy for all, and seen when it appears', async () => {
    const flags = await source()
    expect(ask(flags)).toBe('legacy flag-missing')
    expect(flags.health()).toMatchObject({ state: 'unreachable' })
    expect(flags.health().message).toBe(`${path}: there is no such file; every job goes to legacy`)
    await changed(flags, () => writeFileSync(path, `${FLAG}: target\n`))
    expect(ask(flags)).toBe('target flag')
  })

  it('that was there keeps its values', async () => {
    writeFileSync(path, `${FLAG}: target\n`)
    const flags = await source()
    await changed(flags, () => unlinkSync(path))
    expect(ask(flags)).toBe('target flag')
    expect(flags.health()).toMatchObject({ state: 'unreachable' })
    await changed(flags, () => writeFileSync(path, `${FLAG}: target\n`))
    expect(state(flags)).toBe('ok')
  })

  it('that is a folder says what it is', async () => {
    mkdirSync(path)
    const flags = await source()
    expect(ask(flags)).toBe('legacy flag-error')
    expect(flags.health().message).toMatch(/EISDIR/)
  })
})

describe('fileFlags', () => {
  it('opens nothing until it is used', () => {
    expect(fileFlags({ path: join(folder, 'nowhere.yaml') })).toMatchObject({ kind: 'file' })
  })

  it('refuses wrong options by name', () => {
    expect(() => fileFlags({ file: 'x' } as never)).toThrow(/fileFlags.file: unknown option; allowed are path and poll/)
    expect(() => fileFlags({ path: '' })).toThrow(/fileFlags.path/)
    expect(() => fileFlags({ poll: 'often' as never })).toThrow(/fileFlags.poll: "often" is not a duration/)
    expect(() => fileFlags({ poll: 0 })).toThrow(/fileFlags.poll: must be 10ms or more/)
  })

  it('stops watching when closed, and keeps its last answer', async () => {
    writeFileSync(path, `${FLAG}: target\n`)
    const closed = await source({ poll: '20ms' })
    let told = 0
    closed.onChange(() => told++)
    await closed.close()
    const other = await source({ poll: '20ms' })
    await changed(other, () => replaceBy(`${FLAG}: legacy\n`))
    await changed(other, () => replaceBy(`${FLAG}: legacy-shadowed\n`))
    expect(told).toBe(0)
    expect(ask(closed)).toBe('target flag')
    expect(readFileSync(path, 'utf8')).toMatch(/legacy-shadowed/)
  })
})
