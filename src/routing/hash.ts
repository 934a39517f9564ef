// Where does a key stand? Pure hashes: the position that decides its route, and three that must know nothing of it.
//
// `keyPosition` is the flag engine's own number, so that the ceiling lets the same keys through as the flag does. The
// others use another hash with salts of their own: which keys are counted, grouped or controlled says nothing of
// which keys are on target.

import murmurHash3 from 'murmurhash3js'

/** The seed with which Unleash chooses variants. */
const VARIANT_SEED = 86028157

/** Positions run from 1 to this; target is the block at the upper end. */
export const POSITIONS = 1000
/** Bits of the first-of-key test, an epoch. */
export const KEY_SLOTS: number = 2 ** 20
export const KEY_GROUPS = 64

const SLOT_SALT = 0x5107_a11e
const GROUP_SALT = 0x6a09_e667
const CONTROL_SALT = 0x3c6e_f372

/**
 * The key's place, 1 to 1000, in the order in which keys move to target (the highest first): Unleash's
 * `normalizedVariantValue` with `groupId` = the flag's name. Like Unleash it sees only the low byte of each UTF-16
 * unit, which the routes of keys outside Latin-1 hang on.
 */
export function keyPosition(flag: string, key: string): number {
  return (murmurHash3.x86.hash32(`${flag}:${key}`, VARIANT_SEED) % POSITIONS) + 1
}

/** The key's bit in the epoch's first-of-key test. With `epoch`, keys that share a bit differ from epoch to epoch. */
export function keySlot(key: string, epoch = 0): number {
  return (finish(mix(SLOT_SALT ^ epoch, key)) >>> 0) % KEY_SLOTS
}

/** The key's group, for telling many failing keys from one. */
export function keyGroup(key: string): number {
  return (finish(mix(GROUP_SALT, key)) >>> 0) % KEY_GROUPS
}

/** Whether this shadowed job also gets a control; by job, not by key. A rising share only adds jobs. */
export function isControl(migration: string, id: string, share: number): boolean {
  if (!(share > 0)) return false
  return (finish(mix(mix(CONTROL_SALT, migration) ^ 0xff, id)) >>> 0) / 2 ** 32 < share
}

/** FNV-1a over whole UTF-16 units: one multiplication a character. */
function mix(start: number, text: string): number {
  let hash = start
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x0100_0193)
  return hash
}

/** Spreads what FNV leaves uneven: low bits first of all, and inputs that end alike. */
function finish(hash: number): number {
  let h = hash ^ (hash >>> 16)
  h = Math.imul(h, 0x85eb_ca6b)
  h ^= h >>> 13
  h = Math.imul(h, 0xc2b2_ae35)
  return h ^ (h >>> 16)
}
