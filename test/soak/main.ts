// Hours of a migration in minutes: producers, workers and movers as processes, all of them killed and restarted at random
// while flags flip, the latch is set and lifted and the Redis goes away; then every id is accounted for.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { SingleBar } from 'cli-progress'
import { resolveMigration } from '../../src/config/resolve.ts'
import type { CutoverConfig } from '../../src/index.ts'
import { randomStreams } from '../../src/rollout/simulate/random.ts'
import { startProxy } from '../support/proxy.ts'
import { startRedis } from '../support/redis.ts'
import { type Account, account, unfinished } from './account.ts'
import { Cast } from './cast.ts'
import type { Role } from './child.ts'
import { makeTrouble, writeFlags } from './faults.ts'
import { readOptions, type SoakOptions, USAGE } from './options.ts'
import { Truth } from './truth.ts'
import { configOf, openSoak, type Place } from './world.ts'

const PRODUCERS = 2
/** After the last fault everything has to come to its end by itself within this and as long again as was sent. */
const SETTLE_MS = 120_000

function rolesOf({ jobs, seconds, seed }: SoakOptions): Role[] {
  const perSecond = jobs / seconds / PRODUCERS
  return [
    ...Array.from({ length: PRODUCERS }, (_, number): Role => {
      return { role: 'producer', number, of: PRODUCERS, jobs, perSecond, seed }
    }),
    { role: 'worker', sides: ['legacy', 'target'] },
    { role: 'worker', sides: ['legacy'] },
    { role: 'worker', sides: ['target'] },
    { role: 'mover', from: 'legacy' },
    { role: 'mover', from: 'target' },
  ]
}

interface Soaked extends Account {
  readonly faults: Readonly<Record<string, number>>
  readonly kills: number
  readonly seconds: number
}

async function soak(options: SoakOptions): Promise<Soaked> {
  const folder = mkdtempSync(join(tmpdir(), 'cutover-soak-'))
  const server =
    options.bed === 'embedded' ? undefined : await startRedis({ appendOnly: true, args: ['--appendfsync', 'always'] })
  const proxy = server === undefined ? undefined : await startProxy({ port: server.port })
  const truth = new Truth(join(folder, 'truth.db'), 20)
  const { bed, unfenced } = options
  const place = (url: string | undefined): Place => ({ folder, url, unfenced, bullmqOnly: bed === 'bullmq' })
  const throughProxy = place(proxy === undefined ? undefined : `redis://127.0.0.1:${proxy.port}`)
  const direct = place(server?.url)
  writeFlags(folder, 'target: 0%, shadow: 0%')
  const began = performance.now()
  const cast = new Cast(throughProxy, rolesOf(options))
  const cutover = await openSoak(direct, '1h')
  const progress = progressOf(options, truth, cast)
  try {
    const calm = new AbortController()
    const trouble = makeTrouble(
      {
        random: randomStreams(options.seed)(),
        ...{ cast, truth, folder, everyMs: Math.max(300, Math.min(1500, (options.seconds * 1000) / 40)) },
        redis: server === undefined || proxy === undefined ? undefined : { server, proxy },
        latch: (set) => (set ? cutover.rollback('mail') : cutover.unlatch('mail')),
      },
      calm.signal,
    )
    // what goes wrong with the trouble itself ends the soak, and everything that it has started
    const broken = trouble.then(() => {})
    broken.catch(() => {})
    while (!cast.allSent) {
      await Promise.race([delay(200), broken])
      if (performance.now() - began > 4 * options.seconds * 1000 + SETTLE_MS)
        throw new Error(`not all was sent: ${cast.lastWords}`)
    }
    calm.abort()
    const faults = await trouble
    const config = configOf(direct)
    const store = config.ledger.create({ namespace: 'soak' })
    await store.open()
    const ledger = store.migration('mail', resolveMigration(config as unknown as CutoverConfig, 'mail').ledger)
    const until = performance.now() + SETTLE_MS + options.seconds * 1000
    for (;;) {
      if ((await unfinished(ledger, truth)).open.length === 0) break
      if (performance.now() > until) break // what is left is told as a problem
      await delay(200)
    }
    await cast.stop()
    const found = await account(truth, ledger, await cutover.report('mail'), options)
    await store.close()
    return { ...found, faults, kills: cast.kills, seconds: (performance.now() - began) / 1000 }
  } finally {
    progress.end()
    await cast.stop()
    await cutover.close({ timeout: '2s' }).catch(() => {})
    truth.close()
    await proxy?.stop()
    await server?.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

function progressOf({ json, jobs }: SoakOptions, truth: Truth, cast: Cast): { end(): void } {
  if (json) return { end: () => {} }
  const tty = process.stderr.isTTY === true
  const bar = new SingleBar({
    format: '{bar} {value}/{total} accepted  {runs} runs  {kills} kills',
    stream: process.stderr,
  })
  if (tty) bar.start(jobs, 0, { runs: 0, kills: 0 })
  const look = (): void => {
    const { accepted, runs } = truth.counts
    if (tty) bar.update(accepted, { runs, kills: cast.kills })
    else process.stderr.write(`${accepted} of ${jobs} accepted, ${runs} runs, ${cast.kills} kills\n`)
  }
  const timer = setInterval(look, tty ? 500 : 10_000)
  return {
    end: () => {
      clearInterval(timer)
      bar.stop()
    },
  }
}

function textOf({
  accepted,
  untold,
  neverSent,
  done,
  failed,
  moved,
  unrecorded,
  inDoubt,
  faults,
  kills,
  seconds,
}: Soaked): string {
  const named = Object.entries(faults).map(([name, n]) => `${n} × ${name}`)
  return [
    `faults: ${named.join(', ')}; ${kills} processes died by SIGKILL`,
    `${accepted} jobs accepted, ${untold} more whose producer died before it was told, ${neverSent} that it had only pinned; ${done} done, ${failed} failed as they were to, ${moved} moves, ${unrecorded} ran while the ledger was away`,
    `keyed effects: each once; others: once, but for ${inDoubt} jobs whose run was cut off in doubt`,
    `${seconds.toFixed(0)} s`,
  ].join('\n')
}

let options: SoakOptions
try {
  options = readOptions(process.argv.slice(2))
} catch (cause) {
  process.stderr.write(`${cause instanceof Error ? cause.message : String(cause)}\n${USAGE}\n`)
  process.exit(2)
}
if (!options.json)
  process.stderr.write(`soak: ${options.jobs} jobs in ${options.seconds} s on ${options.bed}, seed ${options.seed}\n`)
const result = await soak(options)
if (options.json) process.stdout.write(`${JSON.stringify({ ...result, seed: options.seed })}\n`)
else {
  process.stdout.write(`${textOf(result)}\n`)
  for (const problem of result.problems) process.stdout.write(`BROKEN: ${problem}\n`)
  const again = `replay with --seed ${options.seed}`
  process.stdout.write(result.problems.length === 0 ? `soak: ok, seed ${options.seed}\n` : `soak: BROKEN, ${again}\n`)
}
process.exit(result.problems.length === 0 ? 0 : 1)
