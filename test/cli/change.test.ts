// Commands that change something: the dials, and the latch with everything else broken.

import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openCutover } from '../../src/index.ts'
import { type Bed, bed, configOf, configText, until } from './kit.ts'

let place: Bed
const closers: (() => Promise<void>)[] = []

beforeEach(() => {
  place = bed()
  place.write('cutover.config.ts', configText(place))
})
afterEach(async () => {
  for (const close of closers.splice(0)) await close()
  place.remove()
})

const flags = (): string => readFileSync(place.flagFile, 'utf8')

async function producer() {
  const cutover = await openCutover(configOf(place))
  closers.push(() => cutover.close())
  await cutover.work('parse-email', 'legacy', () => 1)
  await cutover.work('parse-email', 'target', () => 1)
  const send = () => cutover.enqueue('parse-email', { id: 'x', from: 'kim', text: '' })
  await send()
  return { cutover, send }
}

describe('flag set', () => {
  test('writes both dials, keeps the rest of the file, tells before and after, audits', async () => {
    place.write('flags.yaml', '# ours\nother: off\nparse-email: { target: 10%, shadow: 0% } # careful\n')
    const { code, stdout } = await place.cli(
      'flag',
      'set',
      '--target',
      '25%',
      '--shadow',
      '100%',
      '--why',
      'next',
      '--by',
      'kim',
    )
    expect(code).toBe(0)
    expect(stdout).toMatch(/target +10% → 25%\n +shadow +0% → 100%\n +control +0%/)
    expect(flags()).toBe('# ours\nother: off\nparse-email: { target: 25%, shadow: 100% } # careful\n')
    const { value } = await place.json('history')
    expect(value.entries[0]).toMatchObject({
      action: 'flag-set',
      by: 'kim',
      why: 'next',
      data: { before: { target: 0.1, shadow: 0 }, after: { target: 0.25, shadow: 1 } },
    })
  })

  test('what is not named stays; the control share goes to the ledger', async () => {
    await place.cli('flag', 'set', '--target', '25%', '--shadow', '50%')
    const { value } = await place.json('flag', 'set', 'parse-email', '--control', '10%', '--target', '0.5%')
    expect(value).toMatchObject({
      before: { target: 0.25, shadow: 0.5, control: 0 },
      after: { target: 0.005, shadow: 0.5, control: 0.1 },
      warnings: [],
    })
    const got = await place.json('flag', 'get')
    expect(got.value.dials).toEqual({ target: 0.005, shadow: 0.5, control: 0.1 })
  })

  test('the control share alone does not touch the flag', async () => {
    const { code } = await place.cli('flag', 'set', '--control', '10%')
    expect(code).toBe(0)
    expect(() => flags()).toThrow(/ENOENT/)
  })

  test('a live process applies it', async () => {
    await place.cli('flag', 'set', '--target', '0%')
    const { send } = await producer()
    expect((await send()).route).toBe('legacy')
    await place.cli('flag', 'set', '--target', '100%')
    await until('the route is target', async () => (await send()).route === 'target')
    await until('flag get sees it', async () => (await place.json('flag', 'get')).value.processes[0].applied)
  })

  test('a broken file is refused and stays as it is', async () => {
    place.write('flags.yaml', 'parse-email: { target: 10 }\n')
    const { code, value } = await place.json('flag', 'set', '--target', '25%')
    expect({ code, error: value.error.code }).toEqual({ code: 1, error: 'flag-invalid' })
    expect(flags()).toBe('parse-email: { target: 10 }\n')
    expect((await place.json('history')).value.entries).toEqual([])
  })

  test('warns where it has no effect', async () => {
    place.write('cutover.config.ts', configText(place).replace("'effects-declared'", "'off'"))
    await place.cli('rollback', '--no-flag', '--wait', '0s')
    const { value } = await place.json('flag', 'set', '--target', '5%', '--shadow', '10%')
    expect(value.warnings).toHaveLength(2)
    expect(value.warnings[0]).toContain('the latch is set')
    expect(value.warnings[1]).toContain("shadow: 'effects-declared'")
  })

  test('a source that cannot be written says what to do', async () => {
    const text = configText(place).replace(/flags: .*/, `flags: ${READ_ONLY},`)
    place.write('cutover.config.ts', text)
    const { code, value } = await place.json('flag', 'set', '--target', '25%')
    expect(code).toBe(1)
    expect(value.error.code).toBe('flag-not-writable')
    expect(value.error.message).toContain('set the flag "parse-email" to target 25%, shadow 0% there')
    const back = await place.json('rollback')
    expect(back.code).toBe(0)
    expect(back.value).toMatchObject({ latch: { set: true }, flag: { kind: 'failed' } })
  })

  test('without a ledger nothing is written', async () => {
    place.write('cutover.config.ts', configText(place).replace('ledger.db', 'ledger-is-a-folder'))
    mkdirSync(join(place.folder, 'ledger-is-a-folder'))
    const { code, value } = await place.json('flag', 'set', '--target', '25%')
    expect({ code, error: value.error.code }).toEqual({ code: 1, error: 'ledger-unavailable' })
    expect(() => flags()).toThrow(/ENOENT/)
    const got = await place.json('flag', 'get')
    expect(got.code).toBe(1)
    expect(got.value).toMatchObject({ flag: { state: 'unreachable' }, dials: { control: null } })
    expect(got.value.ledger).toContain('ledger-is-a-folder')
  })
})

const READ_ONLY = `{ kind: 'readonly', create: () => ({
  kind: 'readonly', origin: 'a server', ready: async () => {}, decide: () => ({ route: 'legacy', reason: 'flag' }),
  revision: () => 'r1', read: () => ({ kind: 'dials', target: 0.1, shadow: 0 }), health: () => ({ state: 'ok', ageMs: 1 }),
  onChange: () => () => {}, close: async () => {},
}) } as never`

/** Flags and queues that fail in every way when anything of them is touched. */
const BROKEN = {
  flags: `{ kind: 'broken', create: () => { throw new Error('no flags here, redis://:hunter2@flags') } } as never`,
  queue: `{ kind: 'broken', capabilities: {}, create: () => { throw new Error('no queue here') } } as never`,
}

describe('rollback and unlatch', () => {
  test('every live producer obeys, and it says so', async () => {
    place.write('flags.yaml', 'parse-email: { target: 100%, shadow: 0% }\n')
    const { send } = await producer()
    await until('the route is target', async () => (await send()).route === 'target')
    const { code, value } = await place.json('rollback', 'parse-email', '--why', 'bad', '--by', 'kim')
    expect(code).toBe(0)
    expect(value).toMatchObject({
      changed: true,
      latch: { set: true, revision: 1, by: 'kim', why: 'bad' },
      producers: { obeyed: 1, producers: 1, behind: [] },
      flag: { kind: 'zeroed' },
    })
    expect(flags()).toBe('parse-email: { target: 0%, shadow: 0% }\n')
    expect(await send()).toMatchObject({ route: 'legacy', reason: 'latch' })
    const status = await place.cli('status')
    expect(status.stdout).toMatch(/SET, every job goes to legacy \(by kim at .* UTC: bad\)/)

    await place.cli('flag', 'set', '--target', '100%')
    expect(await send()).toMatchObject({ route: 'legacy', reason: 'latch' })
    const off = await place.json('unlatch')
    expect(off).toMatchObject({
      code: 0,
      value: { latch: { set: false, revision: 2 }, producers: { obeyed: 1, producers: 1 } },
    })
    await until('the flag decides again', async () => (await send()).route === 'target')
    const actions = (await place.json('history')).value.entries.map((entry: { action: string }) => entry.action)
    expect(actions.filter((action: string) => action !== 'epoch')).toEqual(['unlatch', 'flag-set', 'flag-set', 'latch'])
  })

  test('a producer that has not obeyed yet is named, exit code 3', async () => {
    await producer()
    const { code, stdout } = await place.cli('rollback', '--wait', '0s')
    expect(code).toBe(3)
    expect(stdout).toMatch(/0 of 1 live producer obeyed; not yet: .*:\d+/)
  })

  test('works while flags and queues are broken', async () => {
    const text = configText(place)
      .replace(/flags: .*/, `flags: ${BROKEN.flags},`)
      .replace(/legacy: .*/, `legacy: ${BROKEN.queue},`)
      .replace(/target: .*/, `target: ${BROKEN.queue},`)
    place.write('cutover.config.ts', text)
    const { code, stdout, stderr } = await place.cli('rollback', '--why', 'bad')
    expect(code).toBe(0)
    expect(stdout).toContain('everything goes to legacy')
    expect(stdout).toContain("the flag's dials stay as they are (the latch holds all the same)")
    expect(stdout + stderr).not.toContain('hunter2')
    expect((await place.json('status')).value.migrations[0].latch.set).toBe(true)
    const off = await place.json('unlatch')
    expect(off).toMatchObject({ code: 0, value: { latch: { set: false }, flag: { kind: 'failed' } } })
  })

  test('a flag source that never answers does not hold up the latch', async () => {
    const hanging = `{ kind: 'hanging', create: () => ({ kind: 'hanging', origin: 'x', ready: () => new Promise(() => {}), close: async () => {} }) } as never`
    place.write('cutover.config.ts', configText(place).replace(/flags: .*/, `flags: ${hanging},`))
    const running = place.cli('rollback')
    place.write('plain.config.ts', configText(place))
    await until(
      'the latch is set',
      async () => (await place.json('status', '--config', 'plain.config.ts')).value.migrations[0].latch.set,
      4000,
    )
    expect(await running).toMatchObject({ code: 0 })
  })

  test('one migration is rolled back while another is misconfigured', async () => {
    place.write('cutover.config.ts', configText(place, { others: "broken: { timeout: 'soon' } as never," }))
    expect((await place.json('rollback')).code).toBe(2)
    expect(await place.json('rollback', 'parse-email')).toMatchObject({ code: 0, value: { latch: { set: true } } })
  })

  test('twice is said, and changes nothing', async () => {
    await place.cli('rollback', '--by', 'kim')
    const { code, stdout } = await place.cli('rollback', '--by', 'sam')
    expect(code).toBe(0)
    expect(stdout).toMatch(/the latch was set already by kim at /)
    expect((await place.json('rollback')).value).toMatchObject({ changed: false, latch: { revision: 1, by: 'kim' } })
    await place.cli('unlatch')
    expect((await place.cli('unlatch')).stdout).toContain('the latch was off already')
  })

  test('a ledger that never heard of the migration is pointed out', async () => {
    const { value, code } = await place.json('rollback')
    expect({ code, known: value.known }).toEqual({ code: 0, known: false })
    await place.cli('unlatch')
    const { stdout } = await place.cli('rollback')
    expect(stdout).not.toContain('never heard')
  })

  test('without a ledger: an error that names it', async () => {
    place.write('cutover.config.ts', configText(place).replace('ledger.db', 'ledger-is-a-folder'))
    mkdirSync(join(place.folder, 'ledger-is-a-folder'))
    const { code, stderr } = await place.cli('rollback')
    expect(code).toBe(1)
    expect(stderr).toContain('ledger-is-a-folder')
  })
})
