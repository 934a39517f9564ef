// The jobs of one run: when does the next one come, of which key, on which route, and what becomes of it?
//
// A key keeps its place between legacy and target through all stages, as with a flag, so that keys move nested.

import { latencyBucket } from '../../comparison/latency.ts'
import type { Stage } from '../plan/types.ts'
import type { Random } from './random.ts'
import type { Traffic, Version } from './version.ts'

/** The job that was drawn last: one object, written anew. */
export interface Job {
  /** Days since the stage began. */
  at: number
  firstOfKey: boolean
  firstOfKeyDay: boolean
  onTarget: boolean
  shadowed: boolean
  /** Among the shadowed ones: gets a control, too. */
  controlled: boolean
}

/** What its runs come to. */
export interface Fate {
  legacyFails: boolean
  /** As a primary, and as a shadow. */
  targetFails: boolean
  targetShadowFails: boolean
  differs: boolean
  controlDiffers: boolean
  /** The copy on target never ends. */
  lost: boolean
  legacyBucket: number
  targetBucket: number
}

/** Above this a standard normal number is in its highest tenth. */
const HIGHEST_TENTH = 1.2815515655446004

export class Jobs {
  readonly job: Job = {
    at: 0,
    firstOfKey: false,
    firstOfKeyDay: false,
    onTarget: false,
    shadowed: false,
    controlled: false,
  }
  readonly fate: Fate = {
    legacyFails: false,
    targetFails: false,
    targetShadowFails: false,
    differs: false,
    controlDiffers: false,
    lost: false,
    legacyBucket: 0,
    targetBucket: 0,
  }
  readonly #random: Random
  readonly #version: Version
  readonly #traffic: Traffic
  readonly #keys: Keys | undefined
  #stage: Stage | undefined
  #at = 0
  #left = 0
  #key = 0
  #position = 0
  /** The luck of the job, or of its burst, or of its key: for mismatch, more errors, errors in effects, base errors. */
  readonly #luck: [number, number, number, number] = [0, 0, 0, 0]

  constructor(random: Random, version: Version, traffic: Traffic) {
    this.#random = random
    this.#version = version
    this.#traffic = traffic
    this.#keys = traffic.keys === null ? undefined : new Keys(random, traffic.keys, traffic.skew)
  }

  /** A stage begins now: no key was seen in it yet. */
  begin(stage: Stage): void {
    this.#stage = stage
    this.#at = 0
    this.#left = 0
    this.#keys?.begin()
  }

  /** No key is left that was not seen in this stage. */
  get exhausted(): boolean {
    return this.#keys?.exhausted ?? false
  }

  /** The next job's time, key and route; `fate` stays that of the job before until `settle`. */
  next(): Job {
    if (this.#left === 0) this.#nextBurst()
    this.#left -= 1
    const { job } = this
    const stage = this.#stage!
    job.at = this.#at
    if (this.#keys === undefined) {
      job.firstOfKey = this.#left === this.#traffic.burst - 1
      job.firstOfKeyDay = job.firstOfKey
    } else {
      job.firstOfKey = this.#keys.see(this.#key)
      job.firstOfKeyDay = this.#keys.seeToday(this.#key, Math.floor(this.#at))
    }
    const place = this.#position
    job.onTarget = place >= 1 - stage.target
    job.shadowed = job.onTarget
      ? place >= 1 - stage.target * stage.shadow
      : place >= (1 - stage.target) * (1 - stage.shadow)
    job.controlled = job.shadowed && !job.onTarget && this.#random.chance(stage.control)
    return job
  }

  #nextBurst(): void {
    const { burst, jobsPerDay } = this.#traffic
    this.#at += (this.#random.exponential() * burst) / jobsPerDay
    this.#left = burst
    this.#key = this.#keys?.draw() ?? 0
    this.#position = this.#keys?.position(this.#key) ?? this.#random.uniform()
    if (burst > 1) this.#drawLuck()
  }

  #drawLuck(): void {
    const luck = this.#luck
    for (let which = 0; which < 4; which++) {
      const ofKey = this.#version.byKey && which < 3 && this.#keys !== undefined
      luck[which] = ofKey ? this.#keys!.luck(this.#key, which) : this.#random.uniform()
    }
  }

  /** What becomes of this job; `times`: whether anybody asks how long it takes. */
  settle(times: boolean): Fate {
    const { fate } = this
    const version = this.#version
    const random = this.#random
    if (this.#traffic.burst === 1) this.#drawLuck()
    const [mismatch, more, inEffects, base] = this.#luck
    const both = version.errors - version.errorsApart
    const onLegacyAlone = base >= both && base < version.errors
    const onTargetAlone = base >= version.errors && base < version.errors + version.errorsApart
    fate.legacyFails = base < both || onLegacyAlone
    fate.targetShadowFails = base < both || onTargetAlone || more < version.errorsMore
    fate.targetFails = fate.targetShadowFails || inEffects < version.errorsInEffects
    fate.lost = random.chance(version.lost)
    fate.controlDiffers = this.job.controlled && random.chance(version.noise)
    fate.differs = mismatch < version.mismatch || (this.job.shadowed && random.chance(version.noise))
    if (times) this.#drawTimes()
    return fate
  }

  #drawTimes(): void {
    const { medianMs, sigma, correlation, slower, slowestTenth } = this.#version
    const random = this.#random
    const job = Math.sqrt(correlation) * random.normal()
    const own = Math.sqrt(1 - correlation)
    const onTarget = job + own * random.normal()
    const factor = slower * (onTarget > HIGHEST_TENTH ? slowestTenth : 1)
    this.fate.legacyBucket = latencyBucket(medianMs * Math.exp(sigma * (job + own * random.normal())))
    this.fate.targetBucket = latencyBucket(medianMs * factor * Math.exp(sigma * onTarget))
  }
}

const KINDS_OF_LUCK = 3

/** A fixed number of keys: how often each comes, where it stands, and what was seen of it. */
class Keys {
  readonly #random: Random
  readonly #keys: number
  /** Sums of Zipf's weights; undefined: all alike. */
  readonly #sums: Float64Array | undefined
  readonly #positions: Float64Array
  readonly #luck: Float64Array
  readonly #seenIn: Int32Array
  readonly #seenOn: Float64Array
  #stage = 0
  #seen = 0

  constructor(random: Random, keys: number, skew: number) {
    this.#random = random
    this.#keys = keys
    this.#sums = skew === 0 ? undefined : zipfSums(keys, skew)
    this.#positions = new Float64Array(keys).fill(-1)
    this.#luck = new Float64Array(KINDS_OF_LUCK * keys).fill(-1)
    this.#seenIn = new Int32Array(keys)
    this.#seenOn = new Float64Array(keys).fill(-1)
  }

  begin(): void {
    this.#stage += 1
    this.#seen = 0
    this.#seenOn.fill(-1)
  }

  get exhausted(): boolean {
    return this.#seen === this.#keys
  }

  draw(): number {
    const place = this.#random.uniform()
    if (this.#sums === undefined) return Math.floor(place * this.#keys)
    const wanted = place * this.#sums[this.#keys - 1]!
    let [low, high] = [0, this.#keys - 1]
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#sums[middle]! > wanted) high = middle
      else low = middle + 1
    }
    return low
  }

  see(key: number): boolean {
    if (this.#seenIn[key] === this.#stage) return false
    this.#seenIn[key] = this.#stage
    this.#seen += 1
    return true
  }

  seeToday(key: number, day: number): boolean {
    if (this.#seenOn[key] === day) return false
    this.#seenOn[key] = day
    return true
  }

  position(key: number): number {
    return this.#once(this.#positions, key)
  }

  luck(key: number, which: number): number {
    return this.#once(this.#luck, key * KINDS_OF_LUCK + which)
  }

  #once(values: Float64Array, at: number): number {
    const known = values[at]!
    if (known >= 0) return known
    const drawn = this.#random.uniform()
    values[at] = drawn
    return drawn
  }
}

let zipf: { readonly keys: number; readonly skew: number; readonly sums: Float64Array } | undefined

/** Kept from run to run: it hangs on nothing that is drawn. */
function zipfSums(keys: number, skew: number): Float64Array {
  if (zipf?.keys === keys && zipf.skew === skew) return zipf.sums
  const sums = new Float64Array(keys)
  let sum = 0
  for (let i = 0; i < keys; i++) {
    sum += (i + 1) ** -skew
    sums[i] = sum
  }
  zipf = { keys, skew, sums }
  return sums
}
