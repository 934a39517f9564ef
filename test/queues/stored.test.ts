// Records that anybody may have written: whatever stands in them, a job is told, and what cannot be read is `damaged`.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { storedJob as beeJob } from '../../adapters/queues/bee-queue/stored.ts'
import { type BullRecord, storedJob as bullJob, recordInPark } from '../../adapters/queues/bullmq/stored.ts'
import { parkedJob, parkNote } from '../../adapters/redis-park.ts'
import type { StoredJob } from '../../src/ports/queue.ts'

/** JSON of any form, of the right form, or no JSON at all. */
const records = fc.oneof(
  fc.string(),
  fc.json(),
  fc
    .record(
      {
        data: fc.jsonValue(),
        status: fc.jsonValue(),
        options: fc.oneof(
          fc.jsonValue(),
          fc.record(
            {
              timestamp: fc.jsonValue(),
              delay: fc.jsonValue(),
              retries: fc.jsonValue(),
              stacktraces: fc.jsonValue(),
              backoff: fc.oneof(fc.jsonValue(), fc.record({ strategy: fc.constant('fixed'), delay: fc.jsonValue() })),
            },
            { requiredKeys: [] },
          ),
        ),
      },
      { requiredKeys: [] },
    )
    .map((value) => JSON.stringify(value)),
)

function expectWhole(job: StoredJob): void {
  for (const number of [job.runAt, job.attempts, job.attemptsMade, job.priority ?? 0, job.backoff?.delayMs ?? 0]) {
    expect(number).toBeGreaterThanOrEqual(0)
    expect(Number.isFinite(number)).toBe(true)
  }
  expect(job.attempts).toBeGreaterThanOrEqual(1)
  expect(job.priority ?? 0).toBeLessThanOrEqual(2_097_151)
}

describe('stored records', () => {
  test('bee-queue', () => {
    fc.assert(fc.property(records, (record) => expectWhole(beeJob('a', 'waiting', record, ''))))
    expect(beeJob('a', 'waiting', '[1]', '')).toMatchObject({ damaged: expect.stringContaining('no object') })
    expect(beeJob('a', 'delayed', '', '77')).toMatchObject({ damaged: expect.stringContaining('missing'), runAt: 77 })
  })

  test('bullmq', () => {
    const field = fc.option(fc.oneof(records, fc.nat().map(String)))
    const all = fc.tuple(field, field, field, field, field, field, field, field, field, field, field)
    fc.assert(
      fc.property(all, (fields) => expectWhole(bullJob(['a', '', 0, ...fields] as unknown as BullRecord, 'waiting'))),
    )
    const high = ['a', '', 0, 'n', '{}', '{}', '1', '0', '2097152', null, null, null, null, null] as const
    expect(bullJob(high, 'waiting').priority).toBe(2_097_151)
  })

  test('the park list', () => {
    const read = (record: string): StoredJob => bullJob(recordInPark('a', record), 'parked')
    fc.assert(fc.property(records, (stored) => expectWhole(parkedJob(stored, read))))
    fc.assert(
      fc.property(records, (record) => {
        const job = parkedJob(`${parkNote('late')}\n${record}`, read)
        expectWhole(job)
        expect(job.reason).toBe('late')
      }),
    )
    for (const note of ['null', '[]', '{}', '{"reason":7}', '{"reason"'])
      expect(parkedJob(`${note}\n[]`, read)).toMatchObject({ reason: 'damaged' })
    const endless = `${parkNote('late')}\n{"length":1e308}`
    expect(parkedJob(endless, read)).toMatchObject({ reason: 'late', damaged: expect.any(String) })
    expect(parkedJob('no note', read)).toMatchObject({ reason: 'damaged', damaged: expect.any(String) })
  })
})
