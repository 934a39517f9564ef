// Under which class is a final error counted? Its name and code, as far as they are names: what holds ids or payloads
// would make a class of its own of every job.

import type { StoredError } from '../vocabulary/outcome.ts'

/** What is not a name, and what is beyond the bound. */
export const OTHER_ERRORS = 'other'

const NAME = /^[A-Za-z_$][\w$]{0,59}$/
const CODE = /^[A-Za-z0-9][\w-]{0,39}$/

/** One a worker: it names at most so many classes, whatever its handler throws. */
export class ErrorClasses {
  readonly #most: number
  readonly #named = new Set<string>()

  constructor(most = 30) {
    this.#most = most
  }

  /** `TypeError`, `Error:ECONNREFUSED`, `CutoverError:attempt-timeout`, `other`. */
  of({ name, code }: StoredError): string {
    if (!NAME.test(name) || (code !== undefined && !CODE.test(code))) return OTHER_ERRORS
    const named = code === undefined || code === name ? name : `${name}:${code}`
    if (this.#named.has(named)) return named
    if (this.#named.size >= this.#most) return OTHER_ERRORS
    this.#named.add(named)
    return named
  }
}
