// `npm run bench [-- NAME …] [--rounds N] [--jobs N] [--way FROM:TO]`: every figure beside the raw backend's, in one run.

import { parseArgs } from 'node:util'
import { openWorld } from './world.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '7' },
    jobs: { type: 'string', default: '20000' },
    outcomes: { type: 'string', default: '1000000' },
    way: { type: 'string' },
  },
})
const rounds = Number(values.rounds)
const jobs = Number(values.jobs)
if (!(rounds >= 1 && jobs >= 1000)) {
  process.stderr.write('--rounds takes a number from 1, --jobs one from 1000\n')
  process.exit(2)
}

const print = (text: string): void => {
  process.stdout.write(`${text}\n`)
}
const wanted = (name: string): boolean => positionals.length === 0 || positionals.includes(name)

print(`node ${process.version}, ${rounds} interleaved rounds of ${jobs} jobs, medians; [least–most] over rounds`)
const world = await openWorld()
try {
  if (wanted('enqueue')) await (await import('./enqueue.ts')).benchEnqueue(world, { rounds, jobs }, print)
  if (wanted('unfenced')) {
    await (await import('./enqueue.ts')).benchUnfencedEnqueue(world, { rounds, jobs }, print)
    await (await import('./work.ts')).benchUnfencedWork(world, { rounds, jobs }, print)
  }
  if (wanted('pure')) await (await import('./pure.ts')).benchPure(world, { rounds }, print)
  if (wanted('mcp')) await (await import('./mcp.ts')).benchMcp({ rounds }, print)
  if (wanted('flags')) await (await import('./flags.ts')).benchFlags({ rounds }, print)
  if (wanted('footprint')) await (await import('./footprint.ts')).benchFootprint(world, { rounds }, print)
  if (wanted('shadow')) await (await import('./shadow.ts')).benchShadow(world, { rounds }, print)
  if (wanted('work')) await (await import('./work.ts')).benchWork(world, { rounds, jobs }, print)
  if (wanted('move')) await (await import('./move.ts')).benchMove(world, { rounds, jobs, way: values.way }, print)
  const outcomes = Number(values.outcomes)
  if (wanted('ledger')) await (await import('./ledger.ts')).benchLedger(world, { outcomes, rounds }, print)
  if (wanted('counts')) await (await import('./counts.ts')).benchCounts(world, { rounds }, print)
} finally {
  await world.close()
}
process.exit(0)
