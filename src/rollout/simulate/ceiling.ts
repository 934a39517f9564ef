// Can this evidence have reached its threshold? An upper bound that costs an addition a unit answers for most units.
//
// Evidence is the logarithm of a weighted sum of products, one factor a unit. So a unit adds at most the logarithm of
// its largest factor over all bets, and only where the sum of these additions reaches the threshold is the evidence
// computed. Nothing is skipped that could have said otherwise: the answers are those of computing it for every unit.

/** For what rounding may have taken from the bound. */
const SLACK = 1e-9

export class Ceiling {
  readonly #level: number
  readonly #exact: () => number
  #bound = 0
  #known = 0

  /** `level`: the evidence asked about. It is 0 before the first unit. */
  constructor(level: number, exact: () => number) {
    this.#level = level
    this.#exact = exact
  }

  /** A unit came that adds `gain` at most. */
  raise(gain: number): void {
    this.#bound += gain
  }

  get bound(): number {
    return this.#bound
  }

  /** How much of it may be too much. */
  get gained(): number {
    return this.#bound - this.#known
  }

  /** Computes the evidence as it is. */
  refresh(): number {
    this.#known = this.#exact()
    this.#bound = this.#known
    return this.#bound
  }

  /** Whether the evidence is at least `level`. */
  reached(): boolean {
    return this.#bound >= this.#level - SLACK && this.refresh() >= this.#level
  }
}
