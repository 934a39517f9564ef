// What goes wrong, one thing after the other, as the seed has it: processes killed or stopped, the Redis restarted,
// connections cut before and after the store, flags flipped, the latch set and lifted.

import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Random } from '../../src/rollout/simulate/random.ts'
import type { TcpProxy } from '../support/proxy.ts'
import type { RedisServer } from '../support/redis.ts'
import type { Cast } from './cast.ts'
import type { Truth } from './truth.ts'

export interface FaultsOptions {
  readonly random: Random
  readonly cast: Cast
  readonly truth: Truth
  readonly folder: string
  readonly redis: { readonly server: RedisServer; readonly proxy: TcpProxy } | undefined
  readonly latch: (set: boolean) => Promise<unknown>
  /** About how long between two faults. */
  readonly everyMs: number
}

const DIALS = [
  'target: 0%, shadow: 0%',
  'target: 30%, shadow: 20%',
  'target: 100%, shadow: 0%',
  'target: 60%, shadow: 50%',
]
const LEASE_MS = 3000

export function writeFlags(folder: string, dials: string): void {
  const path = join(folder, 'flags.yaml')
  writeFileSync(`${path}.new`, `mail: { ${dials} }\n`)
  renameSync(`${path}.new`, path)
}

/** Until `signal`; answers how often each fault was. */
export async function makeTrouble(o: FaultsOptions, signal: AbortSignal): Promise<Record<string, number>> {
  const counts: Record<string, number> = {}
  const acts = actsOf(o)
  const total = acts.reduce((sum, { weight }) => sum + weight, 0)
  let latched = false
  while (!signal.aborted) {
    await delay(o.everyMs * (0.5 + o.random.uniform()), undefined, { signal }).catch(() => {})
    if (signal.aborted) break
    const act = chosen(acts, o.random.uniform() * total)
    counts[act.name] = (counts[act.name] ?? 0) + 1
    if (act.name === 'latch') {
      latched = !latched
      await o.latch(latched).catch(() => {})
    } else await act.run()
  }
  // nothing is left broken
  o.redis?.proxy.accept()
  for (;;) {
    try {
      await o.latch(false)
      return counts
    } catch {
      await delay(200)
    }
  }
}

/** The act under this point, where they lie one after the other as long as they weigh. */
function chosen(acts: readonly Act[], point: number): Act {
  let end = 0
  for (const act of acts) {
    end += act.weight
    if (point < end) return act
  }
  return acts[0] as Act
}

interface Act {
  readonly name: string
  readonly weight: number
  readonly run: () => Promise<unknown> | unknown
}

function actsOf({ random, cast, truth, folder, redis }: FaultsOptions): Act[] {
  const anyone = (): number => Math.floor(random.uniform() * cast.size)
  const hit = async (what: string, pid: number | undefined): Promise<void> => {
    if (pid !== undefined) await truth.fault(pid, what)
  }
  const acts: Act[] = [
    { name: 'kill', weight: 8, run: () => hit('kill', cast.kill(anyone())) },
    {
      name: 'stall',
      weight: 3,
      run: () => hit('stall', cast.stall(anyone(), LEASE_MS * (0.5 + random.uniform() * 1.5))),
    },
    {
      name: 'flip',
      weight: 6,
      run: () => writeFlags(folder, DIALS[Math.floor(random.uniform() * DIALS.length)] ?? ''),
    },
    { name: 'latch', weight: 2, run: () => {} },
  ]
  if (redis === undefined) return acts
  const { server, proxy } = redis
  return [
    ...acts,
    {
      name: 'restart',
      weight: 3,
      run: async () => {
        await truth.fault(0, 'restart')
        await server.kill()
        await delay(200 + random.uniform() * 800)
        await server.restart()
        await truth.fault(0, 'restarted')
      },
    },
    { name: 'close all', weight: 1, run: () => cut(truth, 'close all', () => proxy.closeAll()) },
    { name: 'drop command', weight: 4, run: () => cut(truth, 'drop command', () => void proxy.dropCommand()) },
    { name: 'drop answer', weight: 4, run: () => cut(truth, 'drop answer', () => void proxy.dropAnswer()) },
  ]
}

async function cut(truth: Truth, what: string, act: () => void): Promise<void> {
  await truth.fault(0, what)
  act()
}
