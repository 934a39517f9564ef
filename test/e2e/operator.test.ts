// An operator's word on one job, on every backend: force, retry, discard, each audited; and the lists of such jobs.

import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { JobRow } from '../../src/ports/ledger.ts'
import { makeEnvelope } from '../../src/vocabulary/envelope.ts'
import { backendIdOf } from '../../src/vocabulary/ids.ts'
import type { Side } from '../../src/vocabulary/job.ts'
import { type App, type AppOptions, type Bed, embeddedBed, openApp, redisBed, until } from '../support/app.ts'
import { hasRedis } from '../support/redis.ts'
import { standIn } from '../support/stand-in.ts'

const BEDS: [string, boolean, () => Promise<Bed>][] = [
  ['embedded', true, async () => embeddedBed()],
  ['bee-queue and BullMQ', hasRedis(), redisBed],
]
const WHY = { why: 'looked at the bank' } as const

describe.each(BEDS)('%s', (_name, possible, make) => {
  let bed: Bed
  let app: App

  beforeEach(async () => {
    if (possible) bed = await make()
  })
  afterEach(async () => {
    for (const stop of stops.splice(0)) stop()
    await app?.close()
    await bed?.stop()
  })

  async function start(options: AppOptions = {}): Promise<App> {
    app = await openApp(bed, options)
    return app
  }

  const stops: (() => void)[] = []
  async function presence(...sides: readonly Side[]): Promise<void> {
    stops.push(await standIn(app.ledger, ...sides))
  }

  /** Claimed by a worker that is gone since, before or after its effects began. */
  async function left(effects: boolean): Promise<string> {
    const { id } = await app.cutover.enqueue('mail', { n: 1 })
    const absent = { route: 'legacy', epoch: 0, dueAt: 0, adopted: false } as const
    const claim = { id, side: 'legacy', gen: 0, token: 'gone', leaseMs: 0, fenced: true, absent } as const
    await app.ledger.claim([{ ...claim, effectsUnknown: effects, maxAttempts: 3, maxStarts: 9 }])
    return id
  }

  async function failed(): Promise<string> {
    const worker = await app.cutover.work('mail', 'legacy', async () => {
      throw new Error('not today')
    })
    const { id } = await app.cutover.enqueue('mail', { n: 3 }, { attempts: 1 })
    await app.cutover.result('mail', id).catch(() => {})
    await until(async () => (await (await app.queue('legacy')).counts()).failed === 1, 'its queue has it as failed')
    await worker.stop()
    return id
  }

  const audited = async () => (await app.ledger.history()).filter(({ action }) => /force|retry|discard/.test(action))
  const rowOf = async (id: string): Promise<JobRow> => (await app.ledger.row(id)) as JobRow
  const ran = (id: string) => app.runs.filter((run) => run.id === id).map(({ side }) => side)

  describe.runIf(possible)('force', () => {
    it('runs a job in doubt on its own side: one run, the copy of before is dropped', async () => {
      await start()
      const id = await left(true)
      expect((await app.cutover.get('mail', id))?.state).toBe('in-doubt')
      await presence('legacy')
      const done = await app.cutover.force('mail', id, { ...WHY, by: 'kim' })
      expect(done).toEqual({
        ...{ operation: 'force', id, was: 'in-doubt', side: 'legacy', way: 'move', to: 'legacy', generation: 1 },
        pending: false,
      })
      expect(await rowOf(id)).toMatchObject({ state: 'open', side: 'legacy', gen: 1, effectsBegun: true })
      await app.both()
      expect(await app.cutover.result('mail', id)).toEqual({ n: 1 })
      const legacy = await app.queue('legacy')
      await until(async () => (await legacy.counts()).waiting + (await legacy.counts()).running === 0, 'all is acked')
      expect([ran(id), app.effects]).toEqual([['legacy'], [`mail:${id}:store:1`]])
      const data = { id, was: 'in-doubt', side: 'legacy', generation: 0, to: 'legacy' }
      expect(await audited()).toMatchObject([{ action: 'force', by: 'kim', ...WHY, data }])
      expect(await app.ledger.moves(id)).toMatchObject([
        { kind: 'force', from: 'legacy', to: 'legacy', gen: 1, by: 'kim' },
      ])
    })

    it.each([true, false])('moves one to the other side (effects begun: %s)', async (effects) => {
      await start()
      const id = await left(effects)
      await presence('target')
      const was = effects ? 'in-doubt' : 'interrupted'
      expect(await app.cutover.force('mail', id, { ...WHY, to: 'target' })).toMatchObject({
        was,
        to: 'target',
        generation: 1,
      })
      await app.both()
      await app.cutover.result('mail', id)
      expect(ran(id)).toEqual(['target'])
    })

    it('moves one that waits, but not to where it is', async () => {
      await start()
      await presence('legacy', 'target')
      const { id } = await app.cutover.enqueue('mail', { n: 1 }, { delay: '1h' })
      await expect(app.cutover.force('mail', id, WHY)).rejects.toMatchObject({ code: 'job-state' })
      expect(await app.cutover.force('mail', id, { ...WHY, to: 'target' })).toMatchObject({
        was: 'waiting',
        to: 'target',
      })
      expect((await (await app.queue('target')).counts()).delayed).toBe(1)
      expect((await (await app.queue('legacy')).counts()).delayed).toBe(0)
    })

    it('goes on with a move that nobody brings to its end', async () => {
      await start()
      const { id } = await app.cutover.enqueue('mail', { n: 5 })
      const backendId = backendIdOf(id, 0, 'primary')
      const payload = JSON.stringify({ v: 1, payload: { n: 5 }, runAt: 0, source: { side: 'legacy', backendId } })
      const way = { id, gen: 0, from: 'legacy', to: 'target', kind: 'move', payload, by: 'x' } as const
      await app.ledger.move([{ ...way, leaseMs: 60_000 }])
      await presence('legacy')
      await expect(app.cutover.force('mail', id, WHY)).rejects.toThrow(/is being moved on target/)
      await app.ledger.move([{ ...way, gen: 1, from: 'target', to: 'target', kind: 'force', leaseMs: 0 }])
      expect(await app.cutover.force('mail', id, { ...WHY, to: 'legacy' })).toMatchObject({
        was: 'stuck',
        generation: 3,
      })
      await app.both()
      expect(await app.cutover.result('mail', id)).toEqual({ n: 5 })
      expect(ran(id)).toEqual(['legacy'])
    })

    it('is refused, and the job stays where it is', async () => {
      await start()
      const id = await left(true)
      const before = await rowOf(id)
      const force = (options: object) => app.cutover.force('mail', id, { ...WHY, ...options } as never)
      await expect(force({})).rejects.toMatchObject({
        code: 'move-no-workers',
        message: expect.stringContaining('stays'),
      })
      await presence('legacy', 'target')
      await app.cutover.rollback('mail')
      await expect(force({ to: 'target' })).rejects.toMatchObject({ code: 'move-latched' })
      await expect(force({ why: ' ' })).rejects.toMatchObject({ code: 'option-invalid' })
      await expect(force({ to: 'left' })).rejects.toMatchObject({ code: 'side-unknown' })
      await expect(app.cutover.force('mail', 'nobody', WHY)).rejects.toMatchObject({ code: 'job-unknown' })
      await expect(app.cutover.retry('mail', id)).rejects.toMatchObject({
        code: 'job-state',
        message: expect.stringMatching(/in doubt on legacy.*cutover force/),
      })
      expect(await rowOf(id)).toEqual(before)
      expect(await audited()).toEqual([])
    })

    it('of a job that a worker runs is refused', async () => {
      await start({ migration: { timeout: '10s', attempts: 1 } })
      let end = (): void => {}
      const held = new Promise<void>((resolve) => {
        end = resolve
      })
      await app.both(async () => held)
      const { id } = await app.cutover.enqueue('mail', { n: 1 })
      await until(async () => (await rowOf(id)).state === 'running', 'it runs')
      for (const operation of ['force', 'discard'] as const) {
        await expect(app.cutover[operation]('mail', id, WHY)).rejects.toThrow(/a worker is running it/)
      }
      end()
      await app.cutover.result('mail', id)
    })
  })

  describe.runIf(possible)('retry', () => {
    it('runs a failed job again, with all of its attempts, from what its queue has kept', async () => {
      await start()
      const id = await failed()
      await app.cutover.work('mail', 'legacy', app.handler)
      const done = await app.cutover.retry('mail', id, { by: 'kim' })
      expect(done).toMatchObject({ was: 'failed', side: 'legacy', to: 'legacy', generation: 1, pending: false })
      expect(await app.cutover.result('mail', id)).toEqual({ n: 3 })
      expect(app.runs.filter((run) => run.id === id)).toMatchObject([{ attempt: 1, n: 3 }])
      const numbers = await app.numbers()
      expect([numbers.of('failed.legacy'), numbers.of('reopened.failed.legacy'), numbers.of('ok.legacy')]).toEqual([
        1, 1, 1,
      ])
      await expect(app.cutover.retry('mail', id)).rejects.toThrow(/it has ended well/)
    })

    it('on the other side', async () => {
      await start()
      const id = await failed()
      await app.cutover.work('mail', 'target', app.handler)
      expect(await app.cutover.retry('mail', id, { to: 'target' })).toMatchObject({ to: 'target' })
      await app.cutover.result('mail', id)
      expect(ran(id)).toEqual(['target'])
    })

    it('of a job that old code put there', async () => {
      await start()
      const worker = await app.cutover.work('mail', 'legacy', async () => {
        throw new Error('not today')
      })
      const queue = await app.queue('legacy')
      await queue.enqueue([{ backendId: 'by-old-code', data: { n: 9 }, delayMs: 0, attempts: 1 }])
      const listed = async () => (await app.cutover.jobs('mail', { state: 'failed' })).jobs
      await until(async () => (await listed()).length === 1 && (await queue.counts()).failed === 1, 'it has failed')
      await worker.stop()
      const id = (await listed())[0]?.id ?? ''
      expect(id).toMatch(/^adopted:legacy:.*:by-old-code$/)
      await app.cutover.work('mail', 'target', app.handler)
      expect(await app.cutover.retry('mail', id, { to: 'target' })).toMatchObject({ was: 'failed', to: 'target' })
      expect(await app.cutover.result('mail', id)).toEqual({ n: 9 })
      expect(ran(id)).toEqual(['target'])
    })

    it('of one that no queue has any more says so', async () => {
      await start()
      const id = await left(true)
      const outcome = { ok: false, effects: [], waitMs: 0, runMs: 0, attempts: 1, version: '1' } as const
      const end = { id, side: 'legacy', gen: 0, arm: 'primary', token: 'gone', outcome, fatal: true } as const
      await app.ledger.finish([{ ...end, effectFailed: false, runBucket: 0, waitBucket: 0 }])
      await (await app.queue('legacy')).remove([backendIdOf(id, 0, 'primary')])
      await presence('legacy')
      await expect(app.cutover.retry('mail', id)).rejects.toMatchObject({
        code: 'job-copy-missing',
        message: expect.stringMatching(/enqueue it again under another id/),
      })
      expect(await rowOf(id)).toMatchObject({ state: 'finished', class: 'failed' })
    })
  })

  /** A copy in the park list of legacy, without a row. */
  async function parked(id: string, data: unknown, reason: 'late' | 'damaged'): Promise<string> {
    const queue = await app.queue('legacy')
    const backendId = backendIdOf(id, 0, 'primary')
    await queue.enqueue([{ backendId, data, delayMs: 0, attempts: 2 }])
    expect(await queue.park([backendId], reason)).toEqual([true])
    return backendId
  }
  const stampOf = (id: string, over: object = {}) =>
    ({ v: 1, id, route: 'legacy', arm: 'primary', epoch: 0, gen: 0, due: 0, fenced: true, ...over }) as const

  describe.runIf(possible)('parked copies', () => {
    it('a late one is run again by retry, once, with a row', async () => {
      await start()
      await parked('late-1', makeEnvelope({ n: 8 }, stampOf('late-1')), 'late')
      await presence('legacy')
      await expect(app.cutover.force('mail', 'late-1', WHY)).rejects.toThrow(/cutover retry runs it/)
      expect(await app.cutover.retry('mail', 'late-1')).toMatchObject({ was: 'parked-late', generation: 1 })
      await app.both()
      expect(await app.cutover.result('mail', 'late-1')).toEqual({ n: 8 })
      expect(ran('late-1')).toEqual(['legacy'])
      expect((await (await app.queue('legacy')).counts()).parked).toBe(0)
    })

    it('a damaged one goes back as it is by retry, under its backend’s id, and is dropped by discard', async () => {
      await start()
      const backendId = await parked('broken', { $cutover: { v: 1 }, n: 1 }, 'damaged')
      const queue = await app.queue('legacy')
      expect(await app.cutover.retry('mail', backendId)).toMatchObject({ was: 'parked-damaged', way: 'unpark' })
      expect(await queue.counts()).toMatchObject({ waiting: 1, parked: 0 })
      await queue.park([backendId], 'damaged')
      expect(await app.cutover.discard('mail', backendId, WHY)).toMatchObject({ way: 'drop', removed: 1 })
      expect(await queue.counts()).toMatchObject({ waiting: 0, parked: 0 })
      expect((await audited()).map(({ action }) => action)).toEqual(['discard', 'retry'])
    })

    it('one with a row: retry puts it back, discard ends the job and removes it', async () => {
      await start()
      const [kept, gone] = [await app.cutover.enqueue('mail', { n: 1 }), await app.cutover.enqueue('mail', { n: 2 })]
      const queue = await app.queue('legacy')
      await queue.park(
        [kept, gone].map(({ id }) => backendIdOf(id, 0, 'primary')),
        'newer',
      )
      await expect(app.cutover.force('mail', kept.id, WHY)).rejects.toThrow(/a newer version of cutover wrote it/)
      expect(await app.cutover.retry('mail', kept.id)).toMatchObject({
        was: 'parked-newer',
        way: 'unpark',
        pending: false,
      })
      expect(await app.cutover.discard('mail', gone.id, WHY)).toMatchObject({ was: 'parked-newer', removed: 1 })
      expect((await app.cutover.get('mail', gone.id))?.state).toBe('cancelled')
      expect(await queue.counts()).toMatchObject({ waiting: 1, parked: 0 })
      await app.both()
      expect(await app.cutover.result('mail', kept.id)).toEqual({ n: 1 })
      expect(app.runs).toHaveLength(1)
    })

    it('a deferred one may be forced to the other side', async () => {
      await start()
      const { id } = await app.cutover.enqueue('mail', { n: 1 })
      const queue = await app.queue('legacy')
      await queue.park([backendIdOf(id, 0, 'primary')], 'deferred')
      await presence('target')
      expect(await app.cutover.force('mail', id, { ...WHY, to: 'target' })).toMatchObject({ was: 'parked-deferred' })
      expect((await queue.counts()).parked).toBe(0)
      await app.both()
      await app.cutover.result('mail', id)
      expect(ran(id)).toEqual(['target'])
    })

    it('a shadow copy is only discarded', async () => {
      await start()
      const shadow = (await app.queue('target')).shadow()
      await shadow.open()
      const backendId = backendIdOf('copied', 0, 'shadow')
      const data = makeEnvelope({ n: 1 }, stampOf('copied', { arm: 'shadow', route: 'legacy-shadowed' }))
      await shadow.enqueue([{ backendId, data, delayMs: 0, attempts: 1 }])
      await shadow.park([backendId], 'newer')
      await expect(app.cutover.retry('mail', 'copied')).rejects.toThrow(/it is a shadow copy/)
      expect((await app.cutover.jobs('mail', { state: 'parked' })).jobs).toMatchObject([
        { state: 'parked', id: 'copied', backendId, side: 'target', arm: 'shadow', reason: 'newer' },
      ])
      expect(await app.cutover.discard('mail', 'copied', WHY)).toMatchObject({ removed: 1 })
      expect((await app.cutover.jobs('mail', { state: 'parked' })).jobs).toEqual([])
      await shadow.close()
    })
  })

  describe.runIf(possible)('discard', () => {
    it('ends a job in doubt as cancelled and removes its copy', async () => {
      await start()
      const id = await left(true)
      expect(await app.cutover.discard('mail', id, WHY)).toMatchObject({ was: 'in-doubt', way: 'close', removed: 1 })
      expect((await app.cutover.get('mail', id))?.state).toBe('cancelled')
      expect(await (await app.queue('legacy')).counts()).toMatchObject({ waiting: 0, delayed: 0, parked: 0 })
      await app.both()
      expect(await app.cutover.discard('mail', id, WHY)).toMatchObject({ was: 'cancelled', way: 'note' })
      expect(ran(id)).toEqual([])
      expect(await audited()).toHaveLength(2)
    })

    it('of a failed one is a note', async () => {
      await start()
      const id = await failed()
      expect(await app.cutover.discard('mail', id, WHY)).toMatchObject({ was: 'failed', way: 'note' })
      expect((await app.cutover.get('mail', id))?.state).toBe('failed')
      expect(await audited()).toMatchObject([{ action: 'discard', ...WHY, data: { id, was: 'failed' } }])
    })

    it('ends one that is lost, which cannot be forced', async () => {
      await start({ migration: { attempts: 1, timeout: '100ms', waitAllowance: '100ms' } })
      const { id } = await app.cutover.enqueue('mail', { n: 1 })
      await (await app.queue('legacy')).remove([backendIdOf(id, 0, 'primary')])
      const { now } = await app.ledger.control()
      await until(async () => (await app.ledger.control()).now > now + app.deadlineMs + 50, 'it is overdue')
      expect((await app.cutover.jobs('mail', { state: 'overdue' })).jobs).toMatchObject([{ id, state: 'waiting' }])
      await app.cutover.sweep('mail')
      expect((await app.cutover.jobs('mail', { state: 'lost' })).jobs).toMatchObject([{ id, state: 'lost' }])
      await presence('legacy')
      await expect(app.cutover.force('mail', id, WHY)).rejects.toMatchObject({ code: 'job-copy-missing' })
      expect(await app.cutover.discard('mail', id, WHY)).toMatchObject({ was: 'lost', removed: 0 })
      expect((await app.cutover.jobs('mail', { state: 'lost' })).jobs).toEqual([])
    })
  })

  describe.runIf(possible)('jobs', () => {
    it('lists in pages that have each job once, and nothing else', async () => {
      await start()
      const ids: string[] = []
      for (let n = 0; n < 7; n += 1) ids.push(await left(true))
      await left(false)
      await app.cutover.enqueue('mail', { n: 2 })
      const seen: (string | undefined)[] = []
      let [cursor, pages]: [string | undefined, number] = [undefined, 0]
      do {
        const page: Awaited<ReturnType<App['cutover']['jobs']>> = await app.cutover.jobs('mail', {
          ...{ state: 'in-doubt', limit: 3 },
          ...(cursor === undefined ? {} : { cursor }),
        })
        seen.push(...page.jobs.map((job) => job.id))
        cursor = page.cursor
        pages += 1
      } while (cursor !== undefined)
      expect(new Set(seen)).toEqual(new Set(ids))
      expect(pages).toBeGreaterThan(0)
    })

    it('failed ones with their errors, also those that wait for a comparison', async () => {
      await start()
      const id = await failed()
      app.flags.set({ target: 0, shadow: 1 })
      const worker = await app.cutover.work('mail', 'legacy', async () => {
        throw new Error('nor today')
      })
      const shadowed = await app.cutover.enqueue('mail', { n: 4 }, { attempts: 1 })
      await app.cutover.result('mail', shadowed.id).catch(() => {})
      await worker.stop()
      const { jobs } = await app.cutover.jobs('mail', { state: 'failed' })
      expect(new Map(jobs.map((job) => [job.id, 'error' in job ? job.error?.message : '']))).toEqual(
        new Map([
          [id, 'not today'],
          [shadowed.id, 'nor today'],
        ]),
      )
    })

    it('refuses a state that is no list', async () => {
      await start()
      const asked = app.cutover.jobs('mail', { state: 'sleeping' as never })
      await expect(asked).rejects.toThrow(/allowed: in-doubt, parked, overdue, lost, failed/)
      await expect(app.cutover.jobs('mail', { state: 'lost', limit: 0 })).rejects.toThrow(/whole number from 1/)
    })
  })
})
