// What does a flag from Unleash cost: a decision, ten million of them, and how long until a flip is seen?

import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { unleashFlags } from '../adapters/flags/unleash/index.ts'
import { encodeDials, type FlagDefinition } from '../adapters/unleash-engine.ts'
import { coversRevision, type FlagSource } from '../src/ports/flags.ts'
import { decide } from '../src/routing/decide.ts'
import { keyGroup, keyPosition, keySlot } from '../src/routing/hash.ts'
import { hasUnleash, startUnleash, type UnleashServer } from '../test/support/unleash.ts'
import { benchOpenFeature } from './flags-openfeature.ts'
import { median } from './harness.ts'

const FLAG = 'job'
const DECISION_MOST = 3
const FLIP_MOST = 1500
const FLIPS = 100
const SHOWN = 20
const DECISIONS = 10_000_000

export async function benchFlags({ rounds }: { rounds: number }, print: (text: string) => void): Promise<void> {
  await benchOpenFeature(rounds, print)
  if (!hasUnleash()) return
  const server = await startUnleash()
  const spec = unleashFlags({
    ...{ url: server.url, token: server.backendToken, poll: '500ms', metrics: '1s' },
    admin: { token: server.adminToken },
  })
  const [source, writing] = [spec.create({ flags: [FLAG, 'custom'] }), spec.create({ flags: [] })]
  try {
    await Promise.all([source.ready(), writing.ready()])
    await writing.writer?.create?.(FLAG, { flagKind: 'string' })
    await benchFlips(server, source, print)
    await makeCustom(server)
    await seen(source, (await server.api('GET', 'search/events?limit=1')) as Events)
    benchDecisions(source, rounds, print)
    benchMemory(source, print)
  } finally {
    await Promise.all([source.close(), writing.close()])
    await server.stop()
  }
}

interface Events {
  readonly events: readonly { readonly id: number }[]
}

async function seen(source: FlagSource, { events }: Events): Promise<void> {
  while (!coversRevision(source.revision(), `#${events[0]?.id}`)) await sleep(20)
}

/** Turns the flag by one call of the Admin API; resolves with its answer. */
async function turn({ api }: UnleashServer, target: number): Promise<void> {
  const path = `projects/default/features/${FLAG}`
  const { environments } = (await api('GET', path)) as Stored
  const stored = environments.find(({ name }) => name === 'development')?.strategies[0]
  const [strategy] = encodeDials(FLAG, { target, shadow: 0 }).strategies
  const body = { ...strategy, constraints: [], segments: [] }
  await api('PUT', `${path}/environments/development/strategies/${stored?.id}`, body)
}

interface Stored {
  readonly environments: readonly { readonly name: string; readonly strategies: readonly { readonly id: string }[] }[]
}

/** From the answer to a write until `seen`, ms, in order; writes begin anywhere in the server's second. */
async function flips(server: UnleashServer, count: number, seen: (target: number) => Promise<void>): Promise<number[]> {
  const times: number[] = []
  for (let n = 0; n < count; n += 1) {
    await sleep(Math.random() * 1000)
    const target = (n + 1) % 2
    await turn(server, target)
    const began = performance.now()
    await seen(target)
    times.push(performance.now() - began)
  }
  return times.toSorted((a, b) => a - b)
}

async function benchFlips(server: UnleashServer, source: FlagSource, print: (text: string) => void): Promise<void> {
  const ms = (value: number | undefined): string => `${Math.round(value ?? Number.NaN)} ms`
  const told = (times: readonly number[]): string =>
    `median ${ms(median(times))}, 9 of 10 within ${ms(times[Math.floor(times.length * 0.9)])}, longest ${ms(times.at(-1))}`
  const shown = await flips(server, SHOWN, async (target) => {
    while (!(await shows(server, target))) await sleep(5)
  })
  print(`flip shown by the server, ${SHOWN} flips            ${told(shown)}`)
  const times = await flips(server, FLIPS, async (target) => {
    const wanted = target === 1 ? 'target' : 'legacy'
    while (source.decide({ flag: FLAG, key: 'k', flagKind: 'string' }).route !== wanted) await sleep(5)
  })
  const ok = (times.at(-1) as number) <= FLIP_MOST
  print(
    `flip seen at a poll of 500 ms, ${FLIPS} flips      ${told(times)}  most ${FLIP_MOST} ms  ${ok ? 'ok' : 'MISSED'}`,
  )
}

/** What clients are told of the flag now. */
async function shows({ url, backendToken }: UnleashServer, target: number): Promise<boolean> {
  const response = await fetch(`${url}/api/client/features`, { headers: { authorization: backendToken } })
  const { features } = (await response.json()) as { features: readonly FlagDefinition[] }
  const variants = features.find(({ name }) => name === FLAG)?.strategies[0]?.variants
  return variants?.find(({ name }) => name === 'target')?.weight === target * 1000
}

async function makeCustom({ api }: UnleashServer): Promise<void> {
  await api('POST', 'projects/default/features', { name: 'custom', type: 'release' })
  const variants = ['legacy', 'target'].map((name) => ({
    ...{ name, weight: 500, stickiness: 'userId', payload: { type: 'string', value: name } },
    weightType: name === 'legacy' ? 'variable' : 'fix',
  }))
  await api('POST', 'projects/default/features/custom/environments/development/strategies', {
    ...{ name: 'flexibleRollout', parameters: { rollout: '100', stickiness: 'userId', groupId: 'custom' }, variants },
    constraints: [{ contextName: 'userId', operator: 'STR_ENDS_WITH', values: ['@example.org'] }],
  })
  await api('POST', 'projects/default/features/custom/environments/development/on')
}

/** As `enqueue` decides: flag, exposure, hashes, latch and ceiling. */
function decideJob(source: FlagSource, name: string, key: string): void {
  const flag = source.decide({ flag: name, key, flagKind: 'string' })
  keySlot(key, 1)
  keyGroup(key)
  const control = { known: true, ageMs: 10, latchSet: false, ceiling: 1 }
  source.exposed?.(name, decide({ flag, control, position: () => keyPosition(name, key), shadowable: true }))
}

function benchDecisions(source: FlagSource, rounds: number, print: (text: string) => void): void {
  const calls = 200_000
  let fresh = 0
  const kinds: readonly (readonly [string, string, (index: number) => string])[] = [
    ['5,000 keys again and again', FLAG, (index) => `box-${index % 5000}@example.org`],
    ['each key for the first time', FLAG, () => `box-${fresh++}@example.org`],
    ['a flag with a constraint', 'custom', () => `box-${fresh++}@example.org`],
  ]
  for (const [what, flag, keyOf] of kinds) {
    const times: number[] = []
    for (let round = -1; round < rounds; round += 1) {
      const keys = Array.from({ length: calls }, (_, index) => keyOf(index))
      const began = process.cpuUsage()
      for (const key of keys) decideJob(source, flag, key)
      const { user, system } = process.cpuUsage(began)
      if (round >= 0) times.push((user + system) / calls)
    }
    const micros = median(times)
    print(
      `decision by Unleash, ${what.padEnd(28)}  ${micros.toFixed(2)} µs of CPU  most ${DECISION_MOST}  ${micros <= DECISION_MOST ? 'ok' : 'MISSED'}`,
    )
  }
}

function benchMemory(source: FlagSource, print: (text: string) => void): void {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const heapAfter = (from: number, to: number): number => {
    for (let n = from; n < to; n += 1) decideJob(source, FLAG, `key-${n}`)
    collect()
    return process.memoryUsage().heapUsed
  }
  const before = heapAfter(0, DECISIONS / 10)
  const grown = heapAfter(DECISIONS / 10, DECISIONS) - before
  print(
    `heap after ${DECISIONS.toLocaleString('en-US')} decisions, each of a new key       ${(grown / 1e6).toFixed(2)} MB more than after a tenth of them  most 2  ${grown < 2e6 ? 'ok' : 'MISSED'}`,
  )
}
