// What does a flag through OpenFeature cost beside an evaluation of its SDK alone, with the provider that is kept in memory?

import { type Client, OpenFeature } from '@openfeature/server-sdk'
import { openFeatureFlags } from '../adapters/flags/openfeature/index.ts'
import { inMemory } from '../test/support/openfeature.ts'
import { median } from './harness.ts'

const FLAG = 'mail'
const CALLS = 50_000
const DIALS = { target: 0.25, shadow: 0.4 }

export async function benchOpenFeature(rounds: number, print: (text: string) => void): Promise<void> {
  await OpenFeature.setProviderAndWait('raw', inMemory(DIALS))
  const client = OpenFeature.getClient('raw')
  const source = openFeatureFlags({ provider: () => inMemory(DIALS), timeout: '60s' }).create({ flags: [FLAG] })
  const question = { flag: FLAG, flagKind: 'string' } as const
  try {
    await source.ready()
    const ways = {
      raw: async (keys: readonly string[]) => await evaluated(client, keys),
      one: async (keys: readonly string[]) => {
        for (const key of keys) {
          await source.prepare?.(question, [key])
          source.decide({ ...question, key })
        }
      },
      many: async (keys: readonly string[]) => {
        await source.prepare?.(question, keys)
        for (const key of keys) source.decide({ ...question, key })
      },
    }
    const times = { raw: [] as number[], one: [] as number[], many: [] as number[] }
    let fresh = 0
    for (let round = -1; round < rounds; round += 1) {
      for (const way of ['raw', 'one', 'many'] as const) {
        const keys = Array.from({ length: CALLS }, () => `box-${fresh++}@example.org`)
        const began = process.cpuUsage()
        await ways[way](keys)
        const { user, system } = process.cpuUsage(began)
        if (round >= 0) times[way].push((user + system) / CALLS)
      }
    }
    const [raw, one, many] = [median(times.raw), median(times.one), median(times.many)]
    const told = (micros: number): string =>
      `${micros.toFixed(1)} µs of CPU, ${(micros / raw).toFixed(2)} × the SDK alone`
    print(`decision through OpenFeature, job by job          ${told(one)} (${raw.toFixed(1)} µs)`)
    print(`decision through OpenFeature, enqueueMany         ${told(many)}`)
  } finally {
    await source.close()
    await OpenFeature.close()
  }
}

async function evaluated(client: Client, keys: readonly string[]): Promise<void> {
  for (const targetingKey of keys) await client.getStringDetails(FLAG, '', { targetingKey })
}
