// Streams of units with a known truth: at the limit, twice the limit, good, drifting, in bursts, by key, as differences.

import type { Random } from '../../src/rollout/simulate/random.ts'
import type { UnitKind } from '../../src/rollout/simulate/shares.ts'
import type { Scores } from './methods.ts'

export interface Stream {
  readonly name: string
  readonly scores: Scores
  /** Which answers would be wrong. */
  readonly wrong: readonly ('pass' | 'fail')[]
  readonly units: number
  /** The units of one run, one after the other. `counted`: whether a gate that counts keys counts it. */
  begin(random: Random): () => Unit
}

/** Written anew for every unit. */
export interface Unit {
  kind: UnitKind
  onTarget: boolean
  counted: boolean
}

const LIMIT = 0.01
const RATE: Scores = { gate: 'mismatch', limit: LIMIT, variance: LIMIT * (1 - LIMIT) }
const UNITS = 10_000

interface StreamText {
  readonly name: string
  readonly wrong: readonly ('pass' | 'fail')[]
  readonly units?: number
}

/** Independent units; `share(i)`: the chance that unit `i` of the run is bad. */
function rateStream(text: StreamText, share: (i: number) => number): Stream {
  return {
    ...{ units: UNITS, ...text, scores: RATE },
    begin(random) {
      const unit: Unit = { kind: 'clean', onTarget: false, counted: true }
      let i = 0
      return () => {
        unit.kind = random.chance(share(i++)) ? 'target-bad' : 'clean'
        return unit
      }
    },
  }
}

/** Jobs of one key come `burst` at a time and share their fate. */
function burstStream(burst: number): Stream {
  return {
    ...{ name: `at the limit, in bursts of ${burst}`, wrong: ['pass', 'fail'], units: UNITS, scores: RATE },
    begin(random) {
      const unit: Unit = { kind: 'clean', onTarget: false, counted: true }
      let left = 0
      return () => {
        unit.counted = left === 0
        if (left === 0) {
          left = burst
          unit.kind = random.chance(LIMIT) ? 'target-bad' : 'clean'
        }
        left -= 1
        return unit
      }
    },
  }
}

/** A key always fails or never does; with the limit as chance, for each key. */
function keyStream(keys: number): Stream {
  return {
    name: `at the limit, ${keys.toLocaleString('en')} keys that always fail or never`,
    ...{ wrong: ['pass', 'fail'], units: UNITS, scores: RATE },
    begin(random) {
      const seen = new Uint8Array(keys)
      const fails = new Uint8Array(keys)
      const unit: Unit = { kind: 'clean', onTarget: false, counted: true }
      return () => {
        const key = Math.floor(random.uniform() * keys)
        unit.counted = seen[key] === 0
        if (unit.counted) fails[key] = random.chance(LIMIT) ? 1 : 0
        seen[key] = 1
        unit.kind = fails[key] === 1 ? 'target-bad' : 'clean'
        return unit
      }
    },
  }
}

/** Pairs whose difference is the margin: 0.2 % fail on legacy alone. */
function pairStream(): Stream {
  const [onLegacy, onTarget] = [0.002, LIMIT + 0.002]
  return {
    name: 'errors of pairs, difference = margin 1 %',
    ...{ wrong: ['pass', 'fail'], units: UNITS },
    scores: { gate: 'errorsPaired', limit: LIMIT, variance: onLegacy + onTarget - LIMIT ** 2 },
    begin(random) {
      const unit: Unit = { kind: 'clean', onTarget: false, counted: true }
      return () => {
        const luck = random.uniform()
        unit.kind = luck < onTarget ? 'target-bad' : luck < onTarget + onLegacy ? 'legacy-bad' : 'clean'
        return unit
      }
    },
  }
}

/** A random split, 10 % on target, which fails more often by the margin. */
function canaryStream(): Stream {
  const [share, limit, onLegacy] = [0.1, 0.02, 0.005]
  const onTarget = onLegacy + limit
  return {
    name: 'errors of a 10 % canary, difference = margin 2 %',
    ...{ wrong: ['pass', 'fail'], units: UNITS },
    scores: {
      ...{ gate: 'errorsCanary', limit, share },
      variance: onTarget / share + onLegacy / (1 - share) - limit ** 2,
    },
    begin(random) {
      const unit: Unit = { kind: 'clean', onTarget: false, counted: true }
      return () => {
        unit.onTarget = random.chance(share)
        const bad = random.chance(unit.onTarget ? onTarget : onLegacy)
        unit.kind = !bad ? 'clean' : unit.onTarget ? 'target-bad' : 'legacy-bad'
        return unit
      }
    },
  }
}

const half = UNITS / 2

export const STREAMS: readonly Stream[] = [
  rateStream({ name: 'at the limit (1 %)', wrong: ['pass', 'fail'] }, () => LIMIT),
  rateStream({ name: 'twice the limit', wrong: ['pass'] }, () => 2 * LIMIT),
  rateStream({ name: 'good (a fifth of the limit)', wrong: ['fail'] }, () => 0.2 * LIMIT),
  rateStream({ name: 'half the limit', wrong: ['fail'] }, () => 0.5 * LIMIT),
  rateStream(
    { name: 'drift, 3 × the limit down to it', wrong: ['pass'] },
    (i) => LIMIT * Math.max(1, 3 - (2 * i) / half),
  ),
  rateStream({ name: 'drift, from 0 up to the limit', wrong: ['fail'] }, (i) => LIMIT * Math.min(1, i / half)),
  ...[burstStream(2), burstStream(5), burstStream(20), keyStream(5000), keyStream(300)],
  ...[pairStream(), canaryStream()],
]
