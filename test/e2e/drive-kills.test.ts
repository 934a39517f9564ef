// A controller that is killed anywhere, or that sleeps through a rollback: the next one goes on from the ledger, and what
// the sleeper does when it wakes up changes nothing.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { nextStage } from '../../src/rollout/drive/record.ts'
import { saidStep } from '../../src/rollout/drive/steps.ts'
import { until } from '../support/app.ts'
import {
  type Cockpit,
  type Doom,
  died,
  openCockpit,
  type Running,
  type Site,
  spawnController,
  startApp,
  writeFlags,
  writePlan,
} from '../support/drive.ts'

let site: Site
let app: Running
let cockpit: Cockpit
let children: ReturnType<typeof spawnController>[] = []

beforeEach(async () => {
  const folder = mkdtempSync(join(tmpdir(), 'cutover-drive-'))
  site = { folder, place: { folder, files: 'apart' } }
  writeFlags(site)
  writePlan(site)
  app = await startApp(site, { burst: 2 })
  cockpit = await openCockpit(site)
})
afterEach(async () => {
  for (const child of children) child.kill('SIGKILL')
  children = []
  await app.stop()
  await cockpit.close()
  rmSync(site.folder, { recursive: true, force: true })
})

function start(at: Doom['at'], signal: Doom['signal'] = 'SIGKILL') {
  const child = spawnController({ site, at, signal })
  children.push(child)
  return child
}

/** Says yes to the next stage, whatever the gates say: these tests wait for no counts. */
async function force(): Promise<void> {
  const drive = await cockpit.ledger.driveState()
  const control = await cockpit.ledger.control()
  const said = { at: control.now, by: 'test', why: 'test' }
  const step = saidStep(await cockpit.record(), { kind: 'approve', force: true }, said)
  const expected = { drive: drive.revision, latch: control.latch.revision }
  const { done } = await cockpit.ledger.drive({ ...step, expect: expected, token: `force-${drive.revision}` })
  expect(done).toBe(true)
}

/** Everything is as the stage wants it, and what is enqueued now is counted in its epoch. */
async function expectInStage(
  stage: string,
  dials: { target: number; shadow: number },
  ceiling = dials.target,
): Promise<void> {
  const record = await cockpit.record()
  expect(record).toMatchObject({ phase: 'watching', stage })
  const { epoch, ceiling: open } = await cockpit.ledger.control()
  expect(open).toBe(ceiling)
  expect(epoch).toMatchObject({ epoch: record.epoch, dials })
  expect(cockpit.flags.read('mail')).toMatchObject(dials)
  const view = await until(async () => {
    const { id } = await app.cutover.enqueue('mail' as never, { n: -1 } as never)
    const row = await cockpit.ledger.row(id)
    return row?.stamp.epoch === record.epoch ? row : undefined
  }, 'a job is stamped with the epoch of the stage')
  expect(view.stamp.epoch).toBe(record.epoch)
}

const watching = (stage: string) => (tick: { record?: { phase: string; stage: string } }) =>
  tick.record?.phase === 'watching' && tick.record.stage === stage

const SHADOW = { target: 0, shadow: 1 }
const CANARY = { target: 0.5, shadow: 0.5 }

describe('killed', () => {
  test.each([
    'before begin',
    'after begin',
    'before flag',
    'after flag',
    'before open-epoch',
    'after open-epoch',
  ] as const)('%s: the next one enters the first stage, once', async (at) => {
    await died(start(at))
    await cockpit.drive(watching('shadow'))
    await expectInStage('shadow', SHADOW)
    expect((await cockpit.record()).attempts).toEqual({ shadow: 1 })
    const actions = (await cockpit.ledger.history()).map(({ action }) => action)
    expect(actions.filter((action) => action === 'plan-begin')).toHaveLength(1)
    expect(actions.filter((action) => action === 'plan-open-epoch')).toHaveLength(1)
  })

  test.each(['before promote', 'after promote', 'before flag', 'after flag', 'after open-epoch'] as const)(
    'in a promotion, %s: the next one finishes it, once',
    async (at) => {
      await cockpit.drive(watching('shadow'))
      await force()
      await died(start(at))
      await cockpit.drive(watching('canary'))
      await expectInStage('canary', CANARY)
      expect((await cockpit.record()).attempts).toEqual({ shadow: 1, canary: 1 })
      const history = await cockpit.ledger.history()
      expect(history.filter(({ action }) => action === 'plan-promote')).toHaveLength(1)
    },
  )

  test.each(['before note-rollback', 'after note-rollback', 'before flag', 'after flag'] as const)(
    'after a rollback, %s: the next one turns the dials to 0, and starts anew when the latch is lifted',
    async (at) => {
      await cockpit.drive(watching('shadow'))
      await cockpit.ledger.setLatch({ set: true, by: 'ops', why: 'smoke' })
      await died(start(at))
      await cockpit.drive(({ action }) => action?.kind === 'hold')
      expect(cockpit.flags.read('mail')).toMatchObject({ target: 0, shadow: 0 })
      expect(await cockpit.record()).toMatchObject({ phase: 'back', stage: 'shadow' })
      await cockpit.ledger.setLatch({ set: false, by: 'ops' })
      await cockpit.drive(watching('shadow'))
      await expectInStage('shadow', SHADOW)
      expect((await cockpit.record()).attempts).toEqual({ shadow: 2 })
    },
  )
})

describe('asleep', () => {
  test('a controller that wakes up after a rollback raises nothing: the ceiling holds', async () => {
    await cockpit.drive(watching('shadow'))
    await force()
    // the ceiling is up already, the flag is next
    const sleeper = start('before flag', 'SIGSTOP')
    await until(async () => (await cockpit.record()).stage === 'canary', 'the promotion is in the ledger')
    let said = ''
    sleeper.stdout?.on('data', (chunk: Buffer) => {
      said += chunk.toString()
    })
    await until(() => said.includes('here'), 'it sleeps')
    expect((await cockpit.ledger.control()).ceiling).toBe(0.5)
    await cockpit.ledger.setLatch({ set: true, by: 'ops', why: 'smoke' })
    await cockpit.ledger.setLatch({ set: false, by: 'ops', why: 'it was nothing' })
    expect((await cockpit.ledger.control()).ceiling).toBe(0)
    // as `cutover rollback` waits: a producer reads latch and ceiling together, within a second
    await until(async () => {
      const producers = (await cockpit.ledger.presence()).filter(({ produces, gone }) => produces && !gone)
      return producers.length > 0 && producers.every(({ latchRevision }) => latchRevision >= 2)
    }, 'every producer has obeyed')
    sleeper.kill('SIGCONT')
    // its flag comes late …
    await until(() => said.includes('flag 0.5'), 'the sleeper has written the flag')
    const late = await app.cutover.enqueueMany(
      'mail' as never,
      Array.from({ length: 50 }, (_, n) => ({ payload: { n: 1000 + n } })) as never,
    )
    // … and moves nobody
    expect(late.map(({ side }) => side)).not.toContain('target')
    // and the sleeper itself starts the plan again, at the first stage
    await until(async () => watching('shadow')({ record: await cockpit.record() }), 'from the first stage')
    const { attempts } = await cockpit.record()
    expect(attempts).toMatchObject({ canary: 1 })
    expect(attempts['shadow']).toBeGreaterThanOrEqual(2)
    expect((await cockpit.ledger.control()).ceiling).toBe(0)
  })

  test('one that sleeps while another drives changes nothing when it wakes up', async () => {
    await cockpit.drive(watching('shadow'))
    await force()
    const sleeper = start('before promote', 'SIGSTOP')
    await new Promise((resolve) => sleeper.stdout?.once('data', resolve))
    await cockpit.drive(watching('canary')) // takes over when the lease is over
    await cockpit.ledger.setLatch({ set: true, by: 'ops' })
    await cockpit.drive(({ action }) => action?.kind === 'hold')
    const before = await cockpit.ledger.driveState()
    const woken = (await cockpit.ledger.control()).now
    sleeper.kill('SIGCONT')
    const isBack = async () => {
      const seen = await cockpit.ledger.presence()
      return seen.some(({ pid, gone, at }) => pid === sleeper.pid && !gone && at > woken)
    }
    await until(isBack, 'the sleeper is back')
    await until(async () => !(await cockpit.ledger.acquireLease('drive', 'test', 1)).held, 'it drives')
    expect(await cockpit.ledger.driveState()).toEqual(before)
    expect(await cockpit.ledger.control()).toMatchObject({ ceiling: 0, latch: { set: true } })
  })

  test('a second controller waits, and takes over from one that was killed', async () => {
    const first = start('after open-epoch')
    const waited: string[] = []
    await until(async () => (await cockpit.ledger.driveState()).revision > 0, 'the first one drives')
    await cockpit.drive((tick) => {
      waited.push(tick.state)
      return watching('shadow')(tick) && tick.state !== 'waiting'
    })
    await died(first)
    expect(waited).toContain('waiting')
    expect(nextStage(await cockpit.record())?.name).toBe('canary')
  })
})
