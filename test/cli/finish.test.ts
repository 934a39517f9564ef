// `cutover finish` and the drain proof in `cutover status`, over the embedded queue.

import { afterEach, beforeEach, expect, test } from 'vitest'
import { openCutover } from '../../src/index.ts'
import { type Bed, bed, configOf, configText } from './kit.ts'

let place: Bed
const closers: (() => Promise<unknown>)[] = []

beforeEach(() => {
  place = bed()
  place.write('cutover.config.ts', configText(place))
  place.write('flags.yaml', 'parse-email: { target: 100%, shadow: 0% }\n')
})
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
  place.remove()
})

const MAIL = { id: 'x', from: 'kim', text: '' }

test('refuses while a producer lives and a job is left, naming both; 0 at last', async () => {
  const cutover = await openCutover(configOf(place))
  closers.push(() => cutover.close())
  await cutover.enqueue('parse-email', MAIL, { id: 'm-1', delay: '1h' })
  const early = await place.cli('finish', '--window', '0s')
  expect(early).toMatchObject({ code: 3, stderr: '' })
  expect(early.stdout).toMatch(
    /parse-email: to finish with target, in this order\n {2}now +enqueue with the library of the target queue/,
  )
  expect(early.stdout).toMatch(
    /not yet +stop the legacy workers and remove their code\n +\S+:\d+ still enqueues with cutover/,
  )
  expect(early.stdout).toMatch(/What is left\n {2}target +delayed +m-1\n/)
  await cutover.close()
  const { code, value } = await place.json('finish', '--window', '0s')
  expect(code).toBe(3)
  expect(value).toMatchObject({
    done: false,
    keep: 'target',
    left: [{ side: 'target', id: 'm-1', where: 'delayed' }],
    more: 0,
  })
  await place.cli('discard', 'm-1', '--why', 'a test')
  const last = await place.cli('finish', '--window', '0s')
  expect(last.code).toBe(0)
  expect(last.stdout).toMatch(/parse-email: everything but target may be removed\n/)
  expect(last.stdout).not.toContain('not yet')
})

test('has to have been empty for the window', async () => {
  const first = await place.json('finish')
  expect(first.code).toBe(3)
  const why = (value: { items: { step: string; why: string[] }[] }) =>
    value.items.find(({ step }) => step === 'old-queue')?.why
  expect(why(first.value)).toEqual(['legacy is empty, but not yet for 120 s'])
  const waited = await place.json('finish', '--window', '1s', '--wait', '20s')
  expect([waited.code, waited.value.done]).toEqual([0, true])
})

test('the side that stays may be legacy', async () => {
  await place.cli('rollback', '--wait', '0s')
  const { code, stdout } = await place.cli('finish', '--keep', 'legacy', '--window', '0s')
  expect(code).toBe(0)
  expect(stdout).toContain('everything but legacy may be removed')
  expect((await place.cli('finish', '--keep', 'left')).code).toBe(2)
})

test('status shows what is in each queue, under way, and since when it is empty', async () => {
  const cutover = await openCutover(configOf(place))
  closers.push(() => cutover.close())
  await cutover.enqueue('parse-email', MAIL, { delay: '1h' })
  const { stdout } = await place.cli('status')
  expect(stdout).toMatch(
    /legacy queue +waiting 0 {2}delayed 0 {2}running 0 {2}retrying 0 {2}stalled 0 {2}parked 0 {2}not ended 0 {2}empty; cutover finish finds out for how long/,
  )
  expect(stdout).toMatch(/target queue +waiting 0 {2}delayed 1 .* not ended 1\n/)
  expect(stdout).toMatch(/under way +0 enqueues of 1 producer\n/)
  await place.cli('finish', '--window', '1s', '--wait', '1s')
  expect((await place.cli('status')).stdout).toMatch(/legacy queue .* empty for \S+, drained after 2m/)
  const { value } = await place.json('status')
  const { drain } = value.migrations[0]
  expect(drain.legacy).toMatchObject({
    left: [],
    drained: false,
    windowMs: 120_000,
    emptySince: expect.stringMatching(/Z$/),
  })
  expect(drain.target).toMatchObject({
    queue: { delayed: 1 },
    left: expect.arrayContaining(['1 delayed in its queue']),
    emptySince: null,
  })
  expect((await place.json('status', '--no-queues')).value.migrations[0].drain).toBe(null)
})
