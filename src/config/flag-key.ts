// How does a key look to the flag? As it is, or hashed, so that a mailbox or an account never reaches a flag vendor.
//
// The hash stands before every source and before the ceiling alike: the same keys get the same routes from a file, from
// Unleash and through OpenFeature.

import { hash } from 'node:crypto'

/** `true`: SHA-256. A function: your own, e.g. with a secret (a plain hash of an address can be guessed). */
export type HashKey = boolean | ((key: string) => string)

export type FlagKey = (key: string) => string

const asItIs: FlagKey = (key) => key

/** An empty key stays empty, and what a function of the user's own fails to give is one: a doubt, legacy. */
export function flagKeyOf(option: HashKey | undefined): FlagKey {
  if (option === undefined || option === false) return asItIs
  const own = option === true ? sha256 : option
  return (key) => {
    if (key === '') return ''
    try {
      const hashed: unknown = own(key)
      return typeof hashed === 'string' ? hashed : ''
    } catch {
      return ''
    }
  }
}

function sha256(key: string): string {
  return hash('sha256', key, 'base64url')
}
