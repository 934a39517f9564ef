// `npm run bench:gates [-- --runs N --seed N --tables]`: do the gates keep their promise when they are looked at after every unit?
//
// Exit code 1 where ours breaks its promise, or takes more units than it may. `--tables` plays the tables of
// docs/gates.md, section 4, instead, beside what stands there.

import { parseArgs } from 'node:util'
import { formatShare } from '../src/report/format.ts'
import { BOUNDS_LEVEL, isBroken, isPromised, type Measured, measure } from './gates/measure.ts'
import { METHODS, PROMISE } from './gates/methods.ts'
import { measureTimes, pairsToPass } from './gates/times.ts'
import { unitsCosts } from './gates/units.ts'

const { values } = parseArgs({
  options: {
    runs: { type: 'string' },
    seed: { type: 'string', default: '1' },
    tables: { type: 'boolean', default: false },
  },
})
const [runs, seed] = [Number(values.runs ?? (values.tables ? 400 : 2000)), Number(values.seed)]
if (!(Number.isSafeInteger(runs) && runs >= 100 && Number.isSafeInteger(seed) && seed >= 0)) {
  process.stderr.write('--runs takes a whole number from 100, --seed one from 0\n')
  process.exit(2)
}

const print = (text = ''): void => {
  process.stdout.write(`${text}\n`)
}
const percent = (share: number): string => `${(100 * share).toFixed(2)}`
const said = ({ wrong, runs: of, lower, upper }: Measured): string =>
  `${percent(wrong / of)} % (${percent(lower)}–${percent(upper)})`

process.exit(values.tables ? await printTables() : printPromise())

function printPromise(): number {
  print(
    `node ${process.version}, ${runs} runs a stream, seed ${seed}, all ways on the same units, asked after every unit.`,
  )
  print(`Share of runs in which it ever says so, though it should not (Clopper–Pearson, ${BOUNDS_LEVEL * 100} %);`)
  print(`promised by the e-values, the z-test and mSPRT: ${formatShare(PROMISE)} each.`)
  let broken = 0
  for (const rows of everything()) {
    for (const answer of ['pass', 'fail'] as const) broken += printStream(rows.filter((row) => row.answer === answer))
  }
  broken += printUnits()
  print()
  print(broken === 0 ? 'The promise held.' : `Broken: ${broken}.`)
  return broken === 0 ? 0 : 1
}

/** Answers how often ours broke its promise. */
function printStream(rows: readonly Measured[]): number {
  const [first] = rows
  if (first === undefined) return 0
  print()
  print(`${first.answer === 'pass' ? 'wrong promotion' : 'wrong rollback '}  ${first.stream}`)
  for (const row of rows) {
    // a threshold promises nothing
    const verdict = row.method === METHODS[1]!.name ? '' : isBroken(row) ? 'BROKEN' : 'holds'
    print(`  ${row.method.padEnd(24)} ${said(row).padEnd(26)} ${verdict}`.trimEnd())
  }
  return rows.filter((row) => isPromised(row) && isBroken(row)).length
}

function printUnits(): number {
  print()
  print('Units to a pass at zero mismatches, against the fixed-sample minimum')
  for (const { limit, alpha, ours, fixed, ratio, most } of unitsCosts()) {
    const level = `limit ${formatShare(limit).padEnd(6)} α ${formatShare(alpha).padEnd(4)}`
    const units = `ours ${String(ours).padStart(5)}  fixed ${String(fixed).padStart(5)}`
    print(`  ${level}  ${units}  ratio ${ratio.toFixed(3)}  most ${most}  ${ratio > most ? 'MISSED' : 'ok'}`)
  }
  return unitsCosts().filter(({ ratio, most }) => ratio > most).length
}

function* everything(): Generator<readonly Measured[]> {
  yield* measure({ runs, seed })
  // a look at times costs more
  yield* measureTimes({ runs: Math.ceil(runs / 4), seed })
}

async function printTables(): Promise<number> {
  const { HORIZON, PIPELINE, playDrift, playPipeline, playWatermark } = await import('./gates/tables.ts')
  print(
    `Whole default pipeline, ${runs} runs, seed ${seed}, held after ${HORIZON.toLocaleString('en')} jobs in a stage`,
  )
  print(
    `${'version'.padEnd(24)} ${'promoted / failed / held'.padEnd(26)} ${'decided at, median units'.padEnd(50)} documented`,
  )
  for (const row of PIPELINE) {
    const { promoted, rolledBack, held, stages } = playPipeline(row, runs, seed).summary()
    const ends = [promoted, rolledBack, held].map(({ share }) => percent(share)).join(' / ')
    const at = stages.flatMap(({ name, passed, failed, last, units, failedBy, failedUnits }) => {
      const [gate] = Object.keys(failed > passed ? failedBy : last) as (keyof typeof units)[]
      const median = gate === undefined ? undefined : (failed > passed ? failedUnits : units)[gate]?.median
      return median === undefined || median < 100 ? [] : [`${name} ${median}`]
    })
    print(`${row.name.padEnd(24)} ${ends.padEnd(26)} ${at.join(', ').padEnd(50)} ${row.documented}`)
  }
  const { p50, p95 } = pairsToPass(runs, seed)
  print()
  print(`equal times, level 0.05: p50 ≤ 1.10 after ${p50} pairs, p95 ≤ 1.15 after ${p95}; documented 1,500 and 4,000`)
  const { off, on } = playWatermark(runs, seed)
  print()
  print(
    `watermark, 3 × the limit, failures 500 jobs late: promoted ${percent(off)} % without, ${percent(on)} % with; documented 100, 0`,
  )
  print(
    'drift, 0.2 × the limit for 3,000 units, then 3 ×: would pass (with the recent window); documented 94 (89), 49 (31), 5.9 (0.3) %',
  )
  for (const { after, whole, recent } of playDrift(10 * runs, seed)) {
    print(`  ${after} units after the change: ${percent(whole)} % (${percent(recent)} %)`)
  }
  return 0
}
