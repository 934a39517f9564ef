// A plan driven over real queues: a good version gets to the end, a bad one is sent back, and what is not known holds.

import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { OutgoingJob, Queue, QueueSpec } from '../../src/ports/queue.ts'
import type { Tick } from '../../src/rollout/controller.ts'
import { decidedOf } from '../../src/rollout/drive/snapshot.ts'
import { partsAt, until } from '../support/app.ts'
import {
  type AppOptions,
  type Cockpit,
  openCockpit,
  type Running,
  type Site,
  type StageText,
  startApp,
  writeFlags,
  writePlan,
} from '../support/drive.ts'
import { hookedQueue } from '../support/hooks.ts'

let site: Site
let app: Running | undefined
let cockpit: Cockpit

beforeEach(async () => {
  const folder = mkdtempSync(join(tmpdir(), 'cutover-drive-'))
  site = { folder, place: { folder, files: 'apart' } }
  writeFlags(site)
  writePlan(site)
  cockpit = await openCockpit(site)
})
afterEach(async () => {
  await app?.stop()
  app = undefined
  await cockpit.close()
  rmSync(site.folder, { recursive: true, force: true })
})

const watching = (stage: string) => (tick: Tick) => tick.record?.phase === 'watching' && tick.record.stage === stage
const isBack = (tick: Tick): boolean => tick.record?.phase === 'back' && tick.action?.kind === 'hold'
const holdsBy =
  (reason: string) =>
  ({ action }: Tick): boolean =>
    action?.kind === 'hold' && (action.reasons as readonly string[]).includes(reason)

async function actions(): Promise<string[]> {
  const history = await cockpit.ledger.history()
  return history.map(({ action }) => action.replace('plan-', '')).reverse()
}

test('a good version is promoted from the first shadow to everything on target', async () => {
  app = await startApp(site)
  const last = await cockpit.drive()
  expect(last.state).toBe('rests')
  expect(await cockpit.record()).toMatchObject({
    phase: 'done',
    stage: 'full',
    attempts: { shadow: 1, canary: 1, full: 1 },
  })
  expect(cockpit.flags.read('mail')).toMatchObject({ target: 1, shadow: 0.5 })
  expect(await cockpit.ledger.control()).toMatchObject({ ceiling: 1, latch: { set: false } })
  const done = (await actions()).filter((action) => action !== 'hold' && action !== 'epoch')
  const entered = ['open-epoch', 'promote']
  expect(done).toEqual(['begin', ...entered, ...entered, 'open-epoch', 'finish'])
  // every decision can be judged again, to the same verdict
  const history = await cockpit.ledger.history()
  const decided = history.flatMap((entry) => decidedOf(entry) ?? [])
  expect(decided.length).toBeGreaterThanOrEqual(3)
  for (const { snapshot, again } of decided) {
    expect({ verdict: again.verdict, reasons: again.reasons }).toEqual({
      verdict: snapshot.verdict,
      reasons: snapshot.reasons,
    })
  }
}, 60_000)

/** Canary at once: what is bad is bad with effects, too. */
const CANARY_FIRST: readonly StageText[] = [
  { name: 'canary', dials: 'target: 50%, shadow: 100%' },
  { name: 'full', dials: 'target: 100%, shadow: 100%' },
]

describe('a bad version is sent back', () => {
  /** Every third primary on target is accepted and never stored. */
  function losing(): QueueSpec {
    let n = 0
    return hookedQueue(partsAt(site.place).queue('target'), {
      enqueue: async (real, ...args) => {
        const [jobs] = args as unknown as [readonly OutgoingJob[]]
        const kept = jobs.filter(() => n++ % 3 !== 0)
        const stored = kept.length === 0 ? [] : ((await (real as Queue['enqueue'])(kept)) as unknown[])
        return jobs.map((job) => (kept.includes(job) ? stored.shift() : { status: 'accepted' }))
      },
    })
  }

  const bad: Readonly<
    Record<string, { readonly app: () => AppOptions; readonly gate: string; readonly stages: readonly StageText[] }>
  > = {
    'target fails': {
      app: () => ({
        onTarget: ({ id }) => {
          // one in eight: too few for the tripwire
          if ('01'.includes(id.at(-1) ?? '')) throw new Error('no such folder')
        },
      }),
      gate: 'errors',
      stages: [
        { name: 'shadow', dials: 'target: 0%, shadow: 100%', gates: '{errors: {limit: 1%, rule: prove}}' },
        { name: 'full', dials: 'target: 100%, shadow: 100%' },
      ],
    },
    'target is slow': {
      app: () => ({ onTarget: () => delay(25) }),
      gate: 'p50',
      stages: [
        {
          name: 'shadow',
          dials: 'target: 0%, shadow: 100%',
          gates: '{mismatch: {limit: 10%, rule: prove}, p50: {ratio: 1.5, rule: prove, unit: job}}',
        },
        { name: 'full', dials: 'target: 100%, shadow: 100%' },
      ],
    },
    'target loses': { app: () => ({ queues: { target: losing() } }), gate: 'lost', stages: CANARY_FIRST },
  }

  test.each(Object.entries(bad))(
    '%s',
    async (_, { app: options, gate, stages }) => {
      writePlan(site, stages)
      app = await startApp(site, options())
      const last = await cockpit.drive(isBack)
      expect(last.record).toMatchObject({ phase: 'back', stage: stages[0]?.name })
      const control = await cockpit.ledger.control()
      expect(control).toMatchObject({ ceiling: 0, controlShare: 0, latch: { set: true, by: 'test' } })
      expect(cockpit.flags.read('mail')).toMatchObject({ target: 0, shadow: 0 })
      const rollback = (await cockpit.ledger.history()).find(({ action }) => action === 'plan-rollback')
      const decided = rollback && decidedOf(rollback)
      const failed = decided?.again.gates.filter(({ verdict }) => verdict === 'fail').map(({ name }) => name)
      expect(failed).toContain(gate)
      // how the evidence grew until then: at its end it is what the decision was made from
      const points = last.record?.trend?.points ?? []
      expect(points.length).toBeGreaterThan(1)
      const judged = decided?.again.gates.find(({ name }) => name === gate)
      expect(points.at(-1)?.gates[gate as 'p50']).toEqual([judged?.logEPass, judged?.logEFail])
      // everything goes to legacy within a second
      const { sent } = app
      const before = sent.target
      await delay(300)
      expect(sent.target).toBe(before)
    },
    60_000,
  )
})

describe('what is not known holds', () => {
  test('a producer that never gets the new revision: no epoch, and it is named', async () => {
    app = await startApp(site)
    const producer = async () => (await cockpit.ledger.presence()).find(({ produces }) => produces)
    const stuck = await until(producer, 'the producer tells of itself')
    const old = { ...stuck, instance: 'stuck', host: 'stuck-host', flagRevision: 'old' }
    const beat = setInterval(() => void cockpit.ledger.beat(old), 500)
    try {
      await cockpit.ledger.beat(old)
      let looks = 0
      const last = await cockpit.drive((tick) => holdsBy('producers-behind')(tick) && ++looks > 10)
      expect(last.facts?.producers.filter(({ behind }) => behind.length > 0)).toMatchObject([{ host: 'stuck-host' }])
      expect(await cockpit.record()).toMatchObject({ phase: 'entering' })
      expect(await actions()).not.toContain('open-epoch')
      // jobs of that time are in no epoch
      const { id } = await app.cutover.enqueue('mail' as never, { n: -1 } as never)
      expect((await cockpit.ledger.row(id))?.stamp.epoch).toBe(0)
    } finally {
      clearInterval(beat)
    }
    await cockpit.ledger.leave(old)
    await cockpit.drive(watching('shadow'))
  }, 30_000)

  test('the flag cannot be read in the middle: nothing is promoted until it can', async () => {
    app = await startApp(site, { burst: 2 })
    await cockpit.drive(watching('shadow'))
    const path = join(site.folder, 'flags.yaml')
    const good = 'mail: { target: 0%, shadow: 100% }\n'
    writeFileSync(path, 'mail: { target: 10 }\n')
    const last = await cockpit.drive(holdsBy('flag-lost'))
    expect(last.record).toMatchObject({ phase: 'watching', stage: 'shadow' })
    writeFileSync(path, good)
    await cockpit.drive((tick) => tick.action?.kind === 'hold' && !holdsBy('flag-lost')(tick))
    chmodSync(path, 0o600)
    expect(await cockpit.record()).toMatchObject({ phase: 'watching', stage: 'shadow', attempts: { shadow: 1 } })
  }, 30_000)

  test('no worker reads the shadows: no epoch', async () => {
    app = await startApp(site, { works: false })
    const last = await cockpit.drive(holdsBy('workers-missing'))
    expect(last.facts?.unworked).toEqual(['legacy', 'target (shadows)'])
  }, 30_000)

  test('somebody moves the dials: held, and put back by a human only', async () => {
    app = await startApp(site, { burst: 2 })
    await cockpit.drive(watching('shadow'))
    writeFlags(site, '30%', '100%')
    await cockpit.drive(holdsBy('dials-moved'))
    expect(cockpit.flags.read('mail')).toMatchObject({ target: 0.3 })
    // and the ceiling lets nobody through
    await until(() => app?.sent.legacy, 'jobs go on')
    expect(app.sent.target).toBe(0)
  }, 30_000)
})

describe('a plan that changes while it is driven', () => {
  test('is taken with new counts, and refused where a stage disappears', async () => {
    app = await startApp(site, { burst: 2 })
    await cockpit.drive(watching('shadow'))
    const before = await cockpit.record()
    const [first, ...others] = before.plan.stages.map(({ name, target }) => ({
      name,
      dials: `target: ${target * 100}%, shadow: 50%`,
    }))
    writePlan(site, [first as StageText, ...others])
    await cockpit.drive((tick) => tick.record?.phase === 'watching' && tick.record.epoch !== before.epoch)
    const after = await cockpit.record()
    expect(after).toMatchObject({ stage: 'shadow', attempts: { shadow: 2 } })
    expect(cockpit.flags.read('mail')).toMatchObject({ target: 0, shadow: 0.5 })
    expect(await actions()).toContain('adopt-plan')
    writePlan(site, [first as StageText, ...others.slice(1)])
    const last = await cockpit.drive(holdsBy('plan-refused'))
    expect(last.facts?.plan).toMatchObject({ refused: 'stage canary disappeared' })
    expect((await cockpit.record()).plan).toEqual(after.plan)
    writeFileSync(join(site.folder, 'plan.md'), '# nothing\n')
    await cockpit.drive(holdsBy('plan-broken'))
  }, 30_000)
})

test('a new target version starts again at the first stage, with attempts from 1', async () => {
  app = await startApp(site, { burst: 2 })
  await cockpit.drive(watching('shadow'))
  expect(await cockpit.record()).toMatchObject({ targetVersion: '1' })
  await app.stop()
  app = await startApp(site, { burst: 2, version: '2' })
  await cockpit.drive((tick) => watching('shadow')(tick) && tick.record?.targetVersion === '2')
  expect((await cockpit.record()).attempts).toEqual({ shadow: 1 })
  expect((await cockpit.ledger.control()).epoch.versions).toEqual({ legacy: '2', target: '2' })
}, 30_000)
