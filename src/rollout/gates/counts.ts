// Can these counts be? What contradicts itself is a bug of whatever counted it, and nothing may be concluded from it.

import { CutoverError } from '../../vocabulary/errors.ts'

export function contradiction(gate: string, message: string): never {
  throw new CutoverError(
    'contradiction',
    `${gate}: ${message}: the tallies are wrong, this is a bug of whatever counted them`,
    { details: { gate } },
  )
}

/** Each a whole number from 0. */
export function checkCounts(gate: string, counts: Readonly<Record<string, number>>): void {
  for (const [name, n] of Object.entries(counts)) {
    if (!Number.isSafeInteger(n) || n < 0) contradiction(gate, `${name} is ${String(n)}, not a count`)
  }
}

/** The parts, each a count, are no more than the whole, a count. */
export function checkParts(gate: string, whole: number, parts: Readonly<Record<string, number>>): void {
  checkCounts(gate, { n: whole, ...parts })
  const sum = Object.values(parts).reduce((a, b) => a + b, 0)
  if (sum > whole) contradiction(gate, `${Object.keys(parts).join(' + ')} are ${sum} of ${whole} units`)
}

export function checkShare(gate: string, share: number): void {
  if (!(share > 0 && share < 1)) contradiction(gate, `the target share is ${String(share)}, not between 0 and 1`)
}
