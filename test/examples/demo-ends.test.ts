// How the demo ends when it cannot, or may not, go on to the end.

import { spawnSync } from 'node:child_process'
import { resolve } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { freePort, hasRedis, startRedis } from '../support/redis.ts'
import { startDemo } from './demo-kit.ts'

const DEMO = resolve('examples/email-agent/demo.ts')

function demo(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [DEMO, ...args], { encoding: 'utf8', timeout: 25_000 })
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

describe('wrong usage ends with 2 and says what is allowed', () => {
  it.each([
    [['--fast'], /unknown option '--fast'/],
    [['now'], /too many arguments/],
    [['--jobs', '0'], /--jobs: "0" is not a number of jobs/],
    [['--jobs', 'many'], /--jobs: "many" is not a number of jobs/],
    [['--queues', 'bullmq'], /--queues: "bullmq" is not two of embedded, bee-queue, bullmq/],
    [['--queues', 'rabbit,bullmq'], /is not two of embedded, bee-queue, bullmq/],
    [['--queues', 'bee-queue,bullmq'], /bee-queue needs a Redis; add --redis URL/],
    [['--redis', 'redis://127.0.0.1'], /no queue would use it/],
    [['--queues', 'bullmq,bullmq', '--redis', 'http://u:secret@x'], /not a redis:\/\/ or rediss:\/\/ URL/],
    [['--input', '/no/such/folder'], /cannot read e-mails from \/no\/such\/folder: there is no such folder/],
    [['--input', 'src'], /no \.eml files in/],
    [['--work', 'src'], /--work: src is not empty/],
  ])('%j', (args, message) => {
    const { status, stdout, stderr } = demo(...args)
    expect(stderr).toMatch(message)
    expect(stderr).toContain('npm run demo -- --help')
    expect(stderr).not.toContain('secret')
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
  })

  it('--help ends with 0', () => {
    const { status, stdout } = demo('--help')
    expect(status).toBe(0)
    for (const option of ['--input', '--jobs', '--queues', '--redis', '--work', '--json'])
      expect(stdout).toContain(option)
  })
})

it('says that a Redis cannot be reached, without its password', async () => {
  const url = `redis://user:secret@127.0.0.1:${await freePort()}`
  const { out, err, status } = await startDemo(['--queues', 'bee-queue,bullmq', '--redis', url]).ended
  expect(err).toMatch(/cannot be reached|gave no answer/)
  expect(err).toContain('127.0.0.1')
  expect(err).not.toContain('secret')
  expect({ out, status }).toEqual({ out: '', status: 1 })
})

it.each(['SIGINT', 'SIGTERM'] as const)('ends its processes at %s and says what is left', async (signal) => {
  const demo = startDemo(['--jobs', '2000'])
  await demo.runs(100)
  const pids = Object.values(demo.pids()).map(({ pid }) => pid)
  expect(pids.map(isAlive)).toEqual([true, true, true])
  demo.process.kill(signal)
  const { status, out, err } = await demo.ended
  expect(status).toBe(signal === 'SIGINT' ? 130 : 143)
  expect(err).toContain('Stopped before the end. Left to look at:')
  expect(out).toBe('')
  expect(pids.map(isAlive)).toEqual([false, false, false])
  expect(await demo.check(2000)).toMatchObject([
    { storedTwice: [], onBothSides: [], shadowEffects: [], unreadable: 0 },
    { storedTwice: [], onBothSides: [], shadowEffects: [], unreadable: 0 },
  ])
})

it('leaves no process behind when it is killed itself', async () => {
  const demo = startDemo(['--jobs', '2000'])
  await demo.runs(100)
  const pids = Object.values(demo.pids()).map(({ pid }) => pid)
  demo.process.kill('SIGKILL')
  await vi.waitFor(() => expect(pids.map(isAlive)).toEqual([false, false, false]), { timeout: 15_000, interval: 50 })
})

describe.skipIf(!hasRedis())('without the library of a queue', () => {
  it('says which one to install', async () => {
    const redis = await startRedis()
    try {
      // As if it had never been installed: whoever imports it is told that there is no such module.
      const hook =
        "import { registerHooks } from 'node:module';" +
        "registerHooks({ resolve(name, context, next) { if (name !== 'bee-queue') return next(name, context);" +
        "throw Object.assign(new Error('Cannot find package bee-queue'), { code: 'ERR_MODULE_NOT_FOUND' }) } })"
      const env = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(hook)}` }
      const { status, out, err } = await startDemo(['--queues', 'bee-queue,bullmq', '--redis', redis.url], env).ended
      expect(err).toContain('npm install bee-queue')
      expect({ status, out }).toEqual({ status: 1, out: '' })
    } finally {
      await redis.stop()
    }
  })
})
