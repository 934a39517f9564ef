// `check` and `doctor`: what is right is said, what is wrong is found, each by its own line.

import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openCutover } from '../../src/index.ts'
import { type Bed, bed, configOf, configText } from './kit.ts'

let place: Bed
const closers: (() => Promise<void>)[] = []

beforeEach(() => {
  place = bed()
  place.write('cutover.config.ts', configText(place))
  place.write('flags.yaml', 'parse-email: { target: 0%, shadow: 0% }\n')
})
afterEach(async () => {
  for (const close of closers.splice(0)) await close()
  place.remove()
})

interface Line {
  readonly area: string
  readonly name: string
  readonly status: string
  readonly text: string
  readonly advice?: string
}

async function lines(
  command: 'check' | 'doctor',
): Promise<{ code: number; ok: boolean; of: (name: string) => Line | undefined; all: Line[] }> {
  const { code, value } = await place.json(command)
  const all = value.checks as Line[]
  return {
    code,
    ok: value.ok,
    all,
    of: (name) => all.find((line) => line.name === name || `${line.area} ${line.name}` === name),
  }
}

describe('check', () => {
  test('a good configuration', async () => {
    const { code, stdout } = await place.cli('check')
    expect(code).toBe(0)
    expect(stdout).toMatch(/ok +parse-email +settings +embedded → embedded; time-out 1m, 1 attempt, deadline 6m/)
    expect(stdout).toMatch(/ok +parse-email +flag +target 0% {2}shadow 0%/)
    expect(stdout).toMatch(/0 bad, 0 to look at, \d+ ok/)
  })

  test('opens neither ledger nor queue', async () => {
    const refuse = "{ kind: 'x', capabilities: {}, create: () => { throw new Error('was opened') } } as never"
    place.write(
      'cutover.config.ts',
      configText(place)
        .replace(/ledger: .*/, `ledger: ${refuse},`)
        .replace(/legacy: .*/, `legacy: ${refuse},`),
    )
    const { code, all } = await lines('check')
    expect(JSON.stringify(all)).not.toContain('was opened')
    expect(code).toBe(0)
  })

  test.each([
    ['an unknown option', "timeot: '60s',", /timeot: is not known; allowed: .*timeout/],
    ['a wrong duration', "timeout: 'soon',", /timeout: "soon" is not a duration/],
    ['a wrong pointer', "compare: { ignore: ['receivedAt'] },", /compare\.ignore\[0\].*perhaps "\/receivedAt"/],
    ['a deadline that is too short', "deadline: '1s',", /deadline is 1000 ms.*need 360000 ms/],
  ])('%s', async (_name, migration, says) => {
    place.write('cutover.config.ts', configText(place, { migration }))
    const { code, of } = await lines('check')
    expect(code).toBe(1)
    expect(of('parse-email settings')).toMatchObject({ status: 'bad' })
    expect(of('parse-email settings')?.text).toMatch(says)
  })

  test('every broken migration is told, and the good ones too', async () => {
    const others = "second: { timeout: 'soon' } as never, third: null as never,"
    place.write('cutover.config.ts', configText(place, { others }))
    const { code, of } = await lines('check')
    expect(code).toBe(1)
    expect([of('parse-email settings')?.status, of('second settings')?.status, of('third settings')?.status]).toEqual([
      'ok',
      'bad',
      'bad',
    ])
  })

  test('a broken flag file, with its line', async () => {
    place.write('flags.yaml', '\nparse-email: { target: 10 }\n')
    const { code, of } = await lines('check')
    expect(code).toBe(1)
    expect(of('flags source')).toMatchObject({ status: 'bad' })
    expect(of('flags source')?.text).toMatch(/flags\.yaml:2: parse-email\.target: 10 is not a share/)
  })

  test('a missing flag file and a plan that is not there are worth a look, no error', async () => {
    place.write(
      'cutover.config.ts',
      configText({ ...place, flagFile: `${place.flagFile}.no` }, { migration: "plan: 'no.md'," }),
    )
    const { code, of } = await lines('check')
    expect(code).toBe(0)
    expect(of('flags source')?.status).toBe('warn')
    expect(of('parse-email flag')?.advice).toContain('cutover flag set parse-email')
    expect(of('parse-email plan')?.text).toContain('no.md')
  })

  test('a boolean flag where dials are expected, and shadows that are off', async () => {
    place.write('flags.yaml', 'parse-email: on\n')
    place.write('flags.yaml', 'parse-email: true\n')
    expect((await lines('check')).of('parse-email flag')).toMatchObject({ status: 'bad' })
    place.write('flags.yaml', 'parse-email: { target: 0%, shadow: 5% }\n')
    place.write('other.config.ts', configText(place).replace("'effects-declared'", "'off'"))
    const { value } = await place.json('check', '--config', 'other.config.ts')
    expect(value.checks.find((line: Line) => line.name === 'flag')).toMatchObject({ status: 'warn' })
  })

  test('the same queue on both sides', async () => {
    place.write('cutover.config.ts', configText(place).replace("'mail-next'", "'mail'"))
    expect((await lines('check')).of('parse-email queues')).toMatchObject({ status: 'warn' })
  })

  test.each([
    ['a syntax error', 'export default {', /cannot be loaded/],
    ['a module that is not there', "import './nowhere.ts'\nexport default {}", /nowhere/],
    ['an adapter that is not there', "import 'cutover/queues/bulmq'\nexport default {}", /cutover\/queues\/bulmq/],
    ['no default export', 'export const config = {}', /no default export/],
    [
      'an option of an adapter',
      "import { fileFlags } from 'cutover/flags/file'\nexport default { flags: fileFlags({ pat: 'x' } as never) }",
      /fileFlags\.pat: unknown option/,
    ],
  ])('%s', async (_name, text, says) => {
    place.write('cutover.config.ts', text)
    const { code, value } = await place.json('check')
    expect(code).toBe(1)
    expect(value.error.message).toMatch(says)
  })

  test('what a configuration may import: CommonJS, ES modules, a .ts called .js, and wait for', async () => {
    const text = `import BeeQueue from 'bee-queue'
import murmur from 'murmurhash3js'
import { Queue } from 'bullmq'
import { v7 } from 'uuid'
import { z } from 'zod'
import helper, { Kind } from './helper.js'
const found = [BeeQueue, murmur.x86.hash32, Queue, v7, helper].map((each) => typeof each)
const name = await Promise.resolve(found.join(' ') + ' ' + Kind.A)
${configText(place, { migration: 'flag: name,' }).replace('type<Mail>()', 'z.object({ from: z.string() })')}`
    const project = bed(join(import.meta.dirname, '../.tmp'))
    closers.push(async () => project.remove())
    project.write('helper.ts', "export enum Kind { A = 'a' }\nexport default function help() {}\n")
    project.write('cutover.config.ts', text)
    const { value } = await project.json('explain', '--key', 'k')
    expect(value.flag.name).toBe('function function function function function a')
  })

  test('CommonJS configurations', async () => {
    place.write('cutover.config.cjs', commonJs(configText(place)))
    expect(await place.json('check', '--config', 'cutover.config.cjs')).toMatchObject({ code: 0 })
  })

  test('JavaScript configurations', async () => {
    place.write(
      'cutover.config.mjs',
      `${configText(place)
        .replace(/interface .*/, '')
        .replaceAll('<Mail>', '')}`,
    )
    const { code } = await place.json('check', '--config', 'cutover.config.mjs')
    expect(code).toBe(0)
  })
})

describe('doctor', () => {
  test('nothing runs yet: reachable, clocks, shadows, workers missed, none bad', async () => {
    const { code, of } = await lines('doctor')
    expect(code).toBe(0)
    expect(of('versions node')).toMatchObject({ status: 'ok', text: process.versions.node })
    expect(of('ledger sqlite')?.text).toContain('reachable')
    expect(of('ledger clock')?.status).toBe('ok')
    expect(of('ledger durability')?.text).toContain('normal')
    expect(of('legacy queue')?.text).toContain('"mail": 0 waiting')
    expect(of('target shadow queue')?.text).toContain('"mail-next.shadow": 0 waiting')
    expect(of('legacy workers')).toMatchObject({ status: 'warn', text: 'none' })
    expect(of('parse-email latch')?.text).toBe('off')
  })

  test('with workers on both sides', async () => {
    const cutover = await openCutover(configOf(place))
    closers.push(() => cutover.close())
    await cutover.work('parse-email', 'legacy', () => 1, { version: '3' })
    await cutover.enqueue('parse-email', { id: 'x', from: 'kim', text: '' })
    const { code, of } = await lines('doctor')
    expect(code).toBe(0)
    expect(of('legacy workers')).toMatchObject({ status: 'ok', text: '1 live process, version 3' })
    expect(of('legacy shadow workers')?.status).toBe('ok')
    expect(of('target workers')?.status).toBe('warn')
    expect(of('producers')).toMatchObject({ status: 'ok', text: '1 live' })

    await place.cli('flag', 'set', '--target', '10%', '--shadow', '10%')
    const now = await lines('doctor')
    expect(now.code).toBe(1)
    expect(now.of('target workers')).toMatchObject({ status: 'bad' })
    expect(now.of('target shadow workers')).toMatchObject({ status: 'bad' })
  })

  test('a set latch, shadows that are off, and what one side lacks', async () => {
    const lacking =
      "legacy: ((spec) => ({ ...spec, capabilities: { ...spec.capabilities, priority: false } }))(embeddedQueue({ queue: 'mail', path: PATH })),"
    const path = configText(place).match(/embeddedQueue\(\{ path: (".*?")/)?.[1] ?? ''
    const text = configText(place)
      .replace(/legacy: .*/, lacking.replace('PATH', path))
      .replace("'effects-declared'", "'off'")
    place.write('cutover.config.ts', text)
    await place.cli('rollback')
    const { of } = await lines('doctor')
    expect(of('parse-email latch')).toMatchObject({ status: 'warn' })
    expect(of('parse-email shadow')).toMatchObject({ status: 'warn' })
    expect(of('parse-email priority')).toMatchObject({
      status: 'warn',
      text: 'enqueue with priority is refused: embedded (legacy) lacks it',
    })
    expect(of('parse-email delay')).toBeUndefined()
    expect(of('legacy shadow queue')).toBeUndefined()
  })

  test('a ledger that cannot be opened is bad, and the rest is still looked at', async () => {
    place.write('cutover.config.ts', configText(place).replace('ledger.db', 'cutover.config.ts/x'))
    const { code, of } = await lines('doctor')
    expect(code).toBe(1)
    expect(of('ledger sqlite')).toMatchObject({ status: 'bad' })
    expect(of('legacy queue')).toMatchObject({ status: 'ok' })
  })
})

function commonJs(text: string): string {
  return text
    .replace(/interface .*/, '')
    .replaceAll('<Mail>', '')
    .replace(/import (.*) from ('.*')/g, 'const $1 = require($2)')
    .replace('export default', 'module.exports =')
}
