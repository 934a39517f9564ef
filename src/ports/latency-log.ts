// How a ledger keeps times: as they come, appended to the log of their tally bucket; summed when the bucket is closed.
//
// Hardly two times are alike, so a counter for each would cost as much as the rest of a finish. A log entry is three
// bytes (a pair's five); the sums of an epoch are one packed value, which whoever compacts rewrites. Sums of closed
// buckets change only by what is `late`, so a gate reads them and leaves out the logs of open buckets.

import { ARMS, SIDES } from '../vocabulary/job.ts'
import type { EpochRecord, Histogram, PairTimes, StoredFamily } from './ledger.ts'
import { DEFAULT_RATIOS, PAIR_MEASURES, pairRanges, type RatioSteps, ratioSteps } from './pair-times.ts'

// Positions in these lists are stored: add at the end only.
export const LATENCY_NAMES: readonly string[] = [
  ...ARMS.flatMap((arm) => SIDES.map((side) => `run.${arm}.${side}`)),
  ...SIDES.map((side) => `wait.${side}`),
]
/** In place of a name: run times of a pair, legacy's first. */
export const PAIR_CODE: number = LATENCY_NAMES.length
export const STORED_FAMILIES: readonly StoredFamily[] = ['again', 'of-day', 'of-key', 'excluded', 'late']

/** One time, or with `target` the two of a pair. */
export interface TimeEntry {
  /** One of `LATENCY_NAMES`, or `pair`. */
  readonly name: string
  /** Latency bucket; of a pair legacy's. */
  readonly bucket: number
  readonly target?: number
}

const CODES: ReadonlyMap<string, number> = new Map([...LATENCY_NAMES, 'pair'].map((name, code) => [name, code]))

/** Appends an entry in its stored form: name and family in one byte, buckets in two, big-endian. */
export function appendTime(log: number[], family: StoredFamily, { name, bucket, target }: TimeEntry): void {
  const code = CODES.get(name)
  if (code === undefined) throw new RangeError(`"${name}" is no time that is counted`)
  log.push((code << 3) | STORED_FAMILIES.indexOf(family), bucket >> 8, bucket & 255)
  if (code === PAIR_CODE) log.push((target ?? 0) >> 8, (target ?? 0) & 255)
}

type Series = Map<number, number>

/** The sums of one epoch. */
export class LatencySums {
  readonly #series: Map<string, Series>

  /** From their packed form; empty from no bytes. */
  constructor(packed: Uint8Array = new Uint8Array()) {
    this.#series = packed.length === 0 ? new Map() : unpack(packed)
  }

  /** Adds a log. `ratios`: those that the epoch's plan asks for. */
  add(log: Uint8Array, ratios: readonly number[]): this {
    const steps = ratios
      .filter((ratio) => ratio > 1 && ratio <= 10)
      .map((ratio) => ({ ratio, steps: ratioSteps(ratio) }))
    const view = new DataView(log.buffer, log.byteOffset, log.byteLength)
    const known: (Series | undefined)[] = []
    for (let at = 0; at + 2 < log.length; ) {
      const head = view.getUint8(at)
      const bucket = view.getUint16(at + 1)
      const code = head >> 3
      at += 3
      if (code !== PAIR_CODE) {
        known[head] ??= this.#of(`${LATENCY_NAMES[code]}|${familyOf(head)}`)
        count(known[head], bucket, 1)
        continue
      }
      // a log that was cut within its last entry
      if (at + 1 >= log.length) break
      const target = view.getUint16(at)
      at += 2
      for (const each of steps) this.#pair(`pair|${familyOf(head)}|${each.ratio}|`, bucket, target, each.steps)
    }
    return this
  }

  #pair(series: string, legacy: number, target: number, steps: RatioSteps): void {
    count(this.#of(`${series}legacy`), legacy, 1)
    const ranges = pairRanges(legacy, target, steps)
    for (const measure of PAIR_MEASURES) {
      const range = ranges[measure]
      if (range === undefined) continue
      const into = this.#of(`${series}${measure}`)
      count(into, range[0], 1)
      count(into, range[1] + 1, -1)
    }
  }

  #of(name: string): Series {
    let series = this.#series.get(name)
    if (series === undefined) {
      series = new Map()
      this.#series.set(name, series)
    }
    return series
  }

  pack(): Uint8Array {
    return pack(this.#series)
  }

  histograms(epoch: number, closed: boolean): Histogram[] {
    const found: Histogram[] = []
    for (const [series, counts] of this.#series) {
      const [name, family] = series.split('|') as [string, StoredFamily]
      if (name !== 'pair') found.push({ epoch, name, family, closed, counts })
    }
    return found
  }

  pairTimes(epoch: number): PairTimes[] {
    const found = new Map<string, PairTimes & Record<string, unknown>>()
    for (const [series, counts] of this.#series) {
      const [name, family, ratio, part] = series.split('|') as [string, StoredFamily, string, string]
      if (name !== 'pair') continue
      const key = `${family}|${ratio}`
      const none = { legacy: NONE, upPass: NONE, downPass: NONE, upFail: NONE, downFail: NONE }
      const times = found.get(key) ?? { epoch, family, ratio: Number(ratio), ...none }
      found.set(key, { ...times, [part]: counts })
    }
    return [...found.values()]
  }
}

export interface Times {
  readonly histograms: readonly Histogram[]
  readonly pairTimes: readonly PairTimes[]
}

/** What a snapshot tells of sums by epoch: of closed buckets, and of the others. */
export function timesOf(closed: ReadonlyMap<number, LatencySums>, open: ReadonlyMap<number, LatencySums>): Times {
  return {
    histograms: [
      ...[...closed].flatMap(([epoch, sums]) => sums.histograms(epoch, true)),
      ...[...open].flatMap(([epoch, sums]) => sums.histograms(epoch, false)),
    ],
    pairTimes: [...closed].flatMap(([epoch, sums]) => sums.pairTimes(epoch)),
  }
}

/** The latency ratios that pairs of an epoch are counted for. */
export function ratiosOf(epochs: readonly EpochRecord[], epoch: number): readonly number[] {
  return epochs.find((record) => record.epoch === epoch)?.ratios ?? DEFAULT_RATIOS
}

function familyOf(head: number): StoredFamily {
  return STORED_FAMILIES[head & 7] ?? 'excluded'
}

function count(series: Series, at: number, n: number): void {
  const sum = (series.get(at) ?? 0) + n
  if (sum === 0) series.delete(at)
  else series.set(at, sum)
}

const NONE: ReadonlyMap<number, number> = new Map()

// Packed form: for each series its name (length, text), how many entries, then each bucket as its distance from the one
// before and its count; whole numbers in seven bits a byte, signed ones with the sign in the lowest bit.

function pack(all: ReadonlyMap<string, Series>): Uint8Array {
  const bytes: number[] = []
  const whole = (value: number): void => {
    let rest = value
    for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128)
    bytes.push(rest)
  }
  const signed = (value: number): void => whole(value < 0 ? -value * 2 - 1 : value * 2)
  for (const [name, series] of all) {
    const text = Buffer.from(name)
    whole(text.length)
    bytes.push(...text)
    whole(series.size)
    let before = 0
    for (const [at, n] of [...series].sort(([a], [b]) => a - b)) {
      whole(at - before)
      signed(n)
      before = at
    }
  }
  return Uint8Array.from(bytes)
}

function unpack(packed: Uint8Array): Map<string, Series> {
  let at = 0
  const whole = (): number => {
    let value = 0
    for (let scale = 1; ; scale *= 128) {
      const byte = packed[at++]
      if (byte === undefined) throw new RangeError('packed latencies end in the middle of a number')
      value += (byte & 127) * scale
      if (byte < 128) return value
    }
  }
  const signed = (): number => {
    const value = whole()
    return value % 2 === 1 ? -(value + 1) / 2 : value / 2
  }
  const all = new Map<string, Series>()
  while (at < packed.length) {
    const length = whole()
    const name = Buffer.from(packed.subarray(at, at + length)).toString('utf8')
    at += length
    const series: Series = new Map()
    let bucket = 0
    for (let left = whole(); left > 0; left--) {
      bucket += whole()
      series.set(bucket, signed())
    }
    all.set(name, series)
  }
  return all
}
