// The command line over real servers: a ledger on Redis, bee-queue and BullMQ, and the way back while the queues' own
// Redis is down.

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fileFlags } from '../../adapters/flags/file/index.ts'
import { redisLedger } from '../../adapters/ledgers/redis/index.ts'
import { beeQueue } from '../../adapters/queues/bee-queue/index.ts'
import { bullmq } from '../../adapters/queues/bullmq/index.ts'
import { defineConfig, openCutover, type } from '../../src/index.ts'
import { hasRedis, type RedisServer, startRedis } from '../support/redis.ts'
import { type Bed, bed } from './kit.ts'

describe.skipIf(!hasRedis())('with Redis', () => {
  let place: Bed
  let ledger: RedisServer
  let queues: RedisServer

  beforeAll(async () => {
    place = bed()
    ;[ledger, queues] = await Promise.all([startRedis(), startRedis()])
    place.write('flags.yaml', 'mail: { target: 100%, shadow: 0% }\n')
    place.write(
      'cutover.config.ts',
      `import { defineConfig, type } from 'cutover'
import { fileFlags } from 'cutover/flags/file'
import { redisLedger } from 'cutover/ledgers/redis'
import { beeQueue } from 'cutover/queues/bee-queue'
import { bullmq } from 'cutover/queues/bullmq'
export default defineConfig({
  ledger: redisLedger({ url: '${ledger.url}' }),
  flags: fileFlags({ path: ${JSON.stringify(place.flagFile)} }),
  migrations: {
    mail: {
      payload: type<{ text: string }>(),
      legacy: beeQueue({ queue: 'mail', redis: '${queues.url}' }),
      target: bullmq({ queue: 'mail', connection: '${queues.url}' }),
    },
  },
})
`,
    )
  })
  afterAll(async () => {
    await ledger?.stop()
    await queues?.stop()
    place?.remove()
  })

  test('doctor reads both servers, and says what is refused', async () => {
    const { code, value } = await place.json('doctor')
    const of = (name: string) => value.checks.find((line: { name: string }) => line.name === name)
    expect(code).toBe(0)
    expect(of('maxmemory-policy')).toMatchObject({ status: 'ok', text: 'noeviction' })
    expect(of('persistence')).toMatchObject({ status: 'warn' })
    expect(of('bullmq')).toMatchObject({ area: 'library', status: 'ok' })
    expect(of('legacy queue').text).toBe('bee-queue "mail": 0 waiting, 0 delayed, 0 running, 0 failed, 0 parked')
    expect(of('target queue').text).toBe('bullmq "mail": 0 waiting, 0 delayed, 0 running, 0 failed, 0 parked')
    expect(of('priority').text).toBe('enqueue with priority is refused: bee-queue (legacy) lacks it')
  })

  test('job finds the copy in the backend; rollback works while both queues are down', async () => {
    const config = defineConfig({
      ledger: redisLedger({ url: ledger.url }),
      flags: fileFlags({ path: place.flagFile }),
      logger: { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} },
      migrations: {
        mail: {
          payload: type<{ text: string }>(),
          legacy: beeQueue({ queue: 'mail', redis: queues.url }),
          target: bullmq({ queue: 'mail', connection: queues.url }),
        },
      },
    })
    const cutover = await openCutover(config)
    const { id, route } = await cutover.enqueue('mail', { text: 'x' })
    expect(route).toBe('target')
    await cutover.close()
    const there = await place.json('job', id)
    expect(there.value).toMatchObject({
      state: 'waiting',
      side: 'target',
      places: [{ arm: 'primary', place: 'waiting' }],
    })

    await queues.kill()
    const { code, value } = await place.json('rollback', '--why', 'the queues are gone')
    expect(code).toBe(3)
    expect(value).toMatchObject({
      latch: { set: true },
      flag: { kind: 'zeroed' },
      onTarget: { waiting: 1, running: 0 },
    })
    const gone = await place.json('job', id)
    expect(gone).toMatchObject({ code: 0, value: { places: [{ place: 'unknown' }] } })
    expect(gone.value.places[0].reason).toContain('cannot be reached')
    const sick = await place.json('doctor')
    expect(sick.code).toBe(1)
    const bad = sick.value.checks.filter((line: { status: string }) => line.status === 'bad')
    expect(bad.map((line: { name: string }) => line.name)).toEqual(['legacy queue', 'target queue'])
  }, 60_000)
})
