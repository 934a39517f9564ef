// What do the pure parts cost: a decision, an envelope, a comparison of two 10 kB results?

import diff from 'microdiff'
import { fileFlags } from '../adapters/flags/file/index.ts'
import { encodeValue } from '../src/comparison/encode.ts'
import { compareOutcomes } from '../src/comparison/pair.ts'
import { decide } from '../src/routing/decide.ts'
import { keyGroup, keyPosition, keySlot } from '../src/routing/hash.ts'
import { makeEnvelope } from '../src/vocabulary/envelope.ts'
import { newId } from '../src/vocabulary/ids.ts'
import type { Json, Outcome } from '../src/vocabulary/outcome.ts'
import { median } from './harness.ts'
import { payload, type World } from './world.ts'

/** Median over rounds of µs a call. */
function micros(rounds: number, calls: number, work: (index: number) => unknown): number {
  const times: number[] = []
  for (let round = -1; round < rounds; round += 1) {
    const began = performance.now()
    for (let index = 0; index < calls; index += 1) work(index)
    if (round >= 0) times.push(((performance.now() - began) * 1000) / calls)
  }
  return median(times)
}

const verdict = (value: number, most: number): string => (value <= most ? 'ok' : 'MISSED')

export async function benchPure(
  world: World,
  { rounds }: { rounds: number },
  print: (text: string) => void,
): Promise<void> {
  const { writeFileSync } = await import('node:fs')
  const path = `${world.folder}/pure-flags.yaml`
  writeFileSync(path, 'job: { target: 25%, shadow: 50% }\n')
  const flags = fileFlags({ path }).create({ flags: ['job'] })
  await flags.ready()
  const keys = Array.from({ length: 5000 }, (_, n) => `box-${n}@example.org`)
  const control = { known: true, ageMs: 10, latchSet: false, ceiling: 1 }
  const decision = micros(rounds, 100_000, (index) => {
    const key = keys[index % keys.length] as string
    const flag = flags.decide({ flag: 'job', key, flagKind: 'string' })
    keySlot(key, 1)
    keyGroup(key)
    return decide({ flag, control, position: () => keyPosition('job', key), shadowable: true })
  })
  await flags.close()
  print(`decision with all hashes                      ${decision.toFixed(2)} µs  most 3  ${verdict(decision, 3)}`)

  const job = payload(1)
  const id = newId()
  const stamp = { v: 1, id, route: 'legacy', arm: 'primary', epoch: 3, gen: 0, due: Date.now(), fenced: true } as const
  const plain = micros(rounds, 100_000, () => JSON.stringify(job))
  const both = micros(rounds, 100_000, () => JSON.stringify(makeEnvelope(job, stamp)))
  const envelope = both - plain
  print(
    `envelope, ${JSON.stringify(job).length} bytes, over plain JSON          ${envelope.toFixed(2)} µs  most 1  ${verdict(envelope, 1)}  (plain ${plain.toFixed(2)}, with stamp ${both.toFixed(2)})`,
  )
  benchCompare(rounds, print)
}

/** A result of about 10 kB with nesting, arrays and texts. */
function result(changed: number): Json {
  return {
    id: 'mail-1',
    parts: Array.from({ length: 60 }, (_, n) => ({
      n,
      name: `part-${n}.txt`,
      headers: { subject: `subject ${n}`, to: [`a${n}@example.org`, `b${n}@example.org`] },
      size: n < changed ? n + 1 : n * 1000,
      text: 'some words of a text '.repeat(2),
    })),
  }
}

function stable(value: unknown): string {
  return JSON.stringify(value, (_name, each: unknown) =>
    typeof each === 'object' && each !== null && !Array.isArray(each)
      ? Object.fromEntries(Object.entries(each).sort(([a], [b]) => (a < b ? -1 : 1)))
      : each,
  )
}

function benchCompare(rounds: number, print: (text: string) => void): void {
  const outcome = (value: Json): Outcome => ({
    ok: true,
    value: encodeValue(value).json,
    effects: [],
    waitMs: 1,
    runMs: 1,
    attempts: 1,
    version: '1',
  })
  for (const [name, changed] of [
    ['equal', 0],
    ['two fields differ', 2],
    ['every part differs', 60],
  ] as const) {
    const [one, other] = [result(0), result(changed)]
    const [legacy, target] = [outcome(one), outcome(other)]
    const ours = micros(rounds, 500, () => compareOutcomes({ legacy, target, options: {} }))
    const theirs = micros(rounds, 500, () => [diff(one as object, other as object), stable(one) === stable(other)])
    const ratio = ours / theirs
    print(
      `compare 10 kB, ${name.padEnd(20)}           ours ${ours.toFixed(1)} µs  microdiff + stable stringify ${theirs.toFixed(1)} µs  ratio ${ratio.toFixed(2)}  most 1  ${verdict(ratio, 1)}`,
    )
  }
}
