// Random numbers that are the same in every run: one seed, and for each run of a plan a stream of its own.

import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64'
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus'

type Generator = ReturnType<typeof xoroshiro128plus>

export class Random {
  readonly #generator: Generator
  #spare: number | undefined

  constructor(generator: Generator) {
    this.#generator = generator
  }

  /** In [0, 1). */
  uniform(): number {
    return uniformFloat64(this.#generator)
  }

  chance(share: number): boolean {
    return share > 0 && this.uniform() < share
  }

  /** Mean 1: the time to the next of events that come one a unit of time, independent of each other. */
  exponential(): number {
    return -Math.log1p(-this.uniform())
  }

  /** Mean 0, variance 1 (Marsaglia's polar method: two at a time). */
  normal(): number {
    const spare = this.#spare
    this.#spare = undefined
    if (spare !== undefined) return spare
    for (;;) {
      const [x, y] = [2 * this.uniform() - 1, 2 * this.uniform() - 1]
      const square = x * x + y * y
      if (square >= 1 || square === 0) continue
      const scale = Math.sqrt((-2 * Math.log(square)) / square)
      this.#spare = y * scale
      return x * scale
    }
  }
}

/** A stream for each run, 2^64 numbers apart: run 7 is the same whether or not the six before it were played. */
export function randomStreams(seed: number): () => Random {
  const generator = xoroshiro128plus(seed)
  return () => {
    generator.jump()
    return new Random(generator.clone())
  }
}
