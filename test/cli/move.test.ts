// `move`, and the way home of `rollback`: what is printed, what is audited, and what the exit code says.

import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openCutover } from '../../src/index.ts'
import { type Bed, bed, configOf, configText, until } from './kit.ts'

let place: Bed
const closers: (() => Promise<unknown>)[] = []

beforeEach(() => {
  place = bed()
  place.write('cutover.config.ts', configText(place))
})
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
  place.remove()
})

async function app(more: { backoff?: '10m'; attempts?: 3 } = {}) {
  const config = configOf(place)
  const migration = { ...config.migrations['parse-email'], ...more }
  const cutover = await openCutover({ ...config, migrations: { 'parse-email': migration } } as typeof config)
  closers.push(() => cutover.close({ timeout: '1s' }))
  const ran: string[] = []
  const handler = (mail: { id: string }, ctx: { side: string }): number => ran.push(`${mail.id} ${ctx.side}`)
  return {
    cutover,
    ran,
    send: (n: number, delay: '0s' | '2m' = '0s') =>
      cutover.enqueue('parse-email', { id: String(n), from: n % 2 === 0 ? 'kim' : 'sam', text: '' }, { delay }),
    work: (side: 'legacy' | 'target') => cutover.work('parse-email', side, handler as never),
  }
}

const THERE = ['move', 'parse-email', '--from', 'legacy', '--to', 'target'] as const

describe('move', () => {
  test('a dry run tells, a move moves, what stays is in a table', async () => {
    const { send, work, ran } = await app()
    for (let n = 0; n < 5; n++) await send(n)
    await send(5, '2m')
    await work('target')
    expect(await place.json(...THERE, '--dry-run')).toMatchObject({
      code: 0,
      value: { migration: 'parse-email', dryRun: true, moved: 6, left: {} },
    })
    expect(ran).toEqual([])
    const { code, stdout } = await place.cli(...THERE, '--key', 'kim', '--by', 'kim', '--why', 'first her own')
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'parse-email: moved 3 from legacy to target\n' })
    await until('hers have run', async () => ran.length === 3)
    expect(new Set(ran)).toEqual(new Set(['0 target', '2 target', '4 target']))
    expect(await place.json(...THERE, '--only', 'delayed', '--limit', '1')).toMatchObject({ value: { moved: 1 } })
    const { value } = await place.json('history')
    const moves = value.entries.filter(({ action }: { action: string }) => action === 'move')
    expect(moves[1]).toMatchObject({ by: 'kim', why: 'first her own', data: { moved: 3, to: 'target' } })
  })

  test('what cannot be moved is told with why and an example', async () => {
    const { send, cutover } = await app({ backoff: '10m', attempts: 3 })
    const busy = await cutover.work('parse-email', 'legacy', async (_mail, ctx) => {
      await ctx.effect('store', {}, () => {})
      throw new Error('no')
    })
    const { id } = await send(1)
    await until('it has failed once', async () => (await cutover.get('parse-email', id))?.attempts.failed === 1)
    await busy.stop()
    await cutover.work('parse-email', 'target', () => 1)
    await until('its copy waits', async () => (await place.json(...THERE, '--dry-run')).value.moved === 1)
    const { code, stdout } = await place.cli(...THERE)
    expect(code).toBe(0)
    expect(stdout).toMatch(/^parse-email: moved 0 from legacy to target\n {2}1 {2}effects-begun {2}an attempt here/)
    expect(stdout).toContain(`e.g. ${id}`)
  })

  test.each([
    ['no live worker', [...THERE], 1, 'move-no-workers'],
    ['the same side', ['move', '--from', 'legacy', '--to', 'legacy'], 1, 'move-same-side'],
    ['an unknown side', ['move', '--from', 'left', '--to', 'legacy'], 2, 'usage'],
    ['an unknown migration', ['move', 'nobody', '--from', 'legacy', '--to', 'target'], 2, 'migration-unknown'],
    ['an unknown place', [...THERE, '--only', 'running'], 2, 'usage'],
    ['no side at all', ['move'], 2, 'usage'],
  ])('%s is refused', async (_what, argv, exit, errorCode) => {
    const { code, value } = await place.json(...argv)
    expect({ code, error: value.error.code }).toEqual({ code: exit, error: errorCode })
  })
})

describe('rollback', () => {
  test('brings home what waits on target, and says when target is empty', async () => {
    place.write('flags.yaml', 'parse-email: { target: 100%, shadow: 0% }\n')
    const { send, work, ran } = await app()
    for (let n = 0; n < 4; n++) expect((await send(n, '2m')).route).toBe('target')
    await work('legacy')
    const { code, stdout } = await place.cli('rollback', '--why', 'bad')
    expect(stdout).toContain('4 came home from target; target is empty\n')
    expect(code).toBe(0)
    expect(ran).toEqual([])
    const status = await place.json('status')
    expect(status.value.migrations[0].sides).toMatchObject({ legacy: { waiting: 4 }, target: { waiting: 0 } })
    const { value } = await place.json('history')
    expect(value.entries[0]).toMatchObject({ action: 'move', why: 'bad', data: { from: 'target', moved: 4 } })
  })

  test('without a worker on legacy they stay on target, exit code 3; the next one goes on', async () => {
    place.write('flags.yaml', 'parse-email: { target: 100%, shadow: 0% }\n')
    const { send, work } = await app()
    await send(1, '2m')
    const first = await place.cli('rollback', '--wait', '0s')
    expect(first.code).toBe(3)
    expect(first.stdout).toContain('warning: what waits on target stays there: parse-email: no live worker on legacy')
    await work('legacy')
    const second = await place.json('rollback')
    expect(second).toMatchObject({
      code: 0,
      value: { changed: false, home: { kind: 'home', moved: 1, empty: true }, onTarget: { waiting: 0, copies: 0 } },
    })
  })

  test('with --no-move they stay', async () => {
    place.write('flags.yaml', 'parse-email: { target: 100%, shadow: 0% }\n')
    const { send, work } = await app()
    await send(1, '2m')
    await work('legacy')
    const { code, stdout } = await place.cli('rollback', '--no-move')
    expect(code).toBe(3)
    expect(stdout).toContain('on target there still are 1 waiting and 0 running; they are worked off there')
  })
})
