// The hashes against what they must equal and what they must not know of each other.

import { describe, expect, it } from 'vitest'
import { encodeDials, loadEngine } from '../../adapters/unleash-engine.ts'
import { isControl, KEY_GROUPS, KEY_SLOTS, keyGroup, keyPosition, keySlot, POSITIONS } from '../../src/routing/hash.ts'

const KEYS = Array.from({ length: 200_000 }, (_, index) => `mailbox-${index}@example.com`)
const ODD_KEYS = [
  'ü',
  'Ünïcödé@bücher.example',
  '邮箱@例子.中国',
  'ящик@пример.рф',
  '😀😀',
  'a\u0000b',
  ' ',
  '0',
  ':',
  'parse-email:',
  'k'.repeat(10_000),
  '\ud800',
]

describe('keyPosition', () => {
  it('is where the engine itself changes its mind, for any key', async () => {
    const evaluate = await loadEngine((error) => {
      throw error
    })
    for (const flag of ['parse-email', 'E-Mail/prüfen', '移行']) {
      for (const key of [...ODD_KEYS, ...KEYS.slice(0, 300)]) {
        const position = keyPosition(flag, key)
        const routeAt = (target: number): string =>
          evaluate(encodeDials(flag, { target: target / POSITIONS, shadow: 0 }), { key, flagKind: 'string' }).route
        // The smallest target share that holds this key, and the one below it.
        expect(routeAt(POSITIONS + 1 - position), `${flag} ${key}`).toBe('target')
        expect(routeAt(POSITIONS - position), `${flag} ${key}`).toBe('legacy')
      }
    }
  })

  it('uses every position about equally often', () => {
    const counts = new Array<number>(POSITIONS + 1).fill(0)
    for (const key of KEYS) counts[keyPosition('parse-email', key)]!++
    expect(counts[0]).toBe(0)
    expect(chiSquare(counts.slice(1))).toBeLessThan(limit(POSITIONS - 1))
  })
})

describe('the other hashes', () => {
  it('stay in their ranges and spread evenly', () => {
    const groups = new Array<number>(KEY_GROUPS).fill(0)
    const slots = new Array<number>(1024).fill(0)
    for (const key of KEYS) {
      groups[keyGroup(key)]!++
      const slot = keySlot(key)
      expect(slot >= 0 && slot < KEY_SLOTS && Number.isInteger(slot)).toBe(true)
      slots[slot % 1024]!++
    }
    expect(chiSquare(groups)).toBeLessThan(limit(KEY_GROUPS - 1))
    expect(chiSquare(slots)).toBeLessThan(limit(1023))
  })

  it('know nothing of the position, nor of each other', () => {
    const ways: Record<string, (key: string) => number> = {
      position: (key) => Math.floor((keyPosition('parse-email', key) - 1) / 100),
      group: (key) => keyGroup(key) % 10,
      slot: (key) => keySlot(key) % 10,
      slotInEpoch: (key) => keySlot(key, 7) % 10,
      control: (key) =>
        [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9].filter((s) => !isControl('parse-email', key, s)).length,
    }
    const names = Object.keys(ways)
    for (const [index, one] of names.entries()) {
      for (const other of names.slice(index + 1)) {
        const table = new Array<number>(100).fill(0)
        for (const key of KEYS) table[10 * ways[one]!(key) + ways[other]!(key)]!++
        // Group and slot modulo ten are not quite even themselves; independence is what is looked at.
        expect(independence(table, 10), `${one} × ${other}`).toBeLessThan(limit(81))
      }
    }
  })

  it('keySlot collides as rarely as chance, and with other keys in other epochs', () => {
    const bits = new Map<number, string>()
    const pairs: [string, string][] = []
    for (const key of KEYS) {
      const other = bits.get(keySlot(key, 1))
      if (other === undefined) bits.set(keySlot(key, 1), key)
      else pairs.push([key, other])
    }
    // n − m(1 − e^(−n/m)) keys share a bit by chance.
    const expected = KEYS.length - KEY_SLOTS * (1 - Math.exp(-KEYS.length / KEY_SLOTS))
    expect(Math.abs(pairs.length - expected)).toBeLessThan(0.03 * expected)
    const again = pairs.filter(([a, b]) => keySlot(a, 2) === keySlot(b, 2))
    expect(again.length).toBeLessThan(10)
  })

  it('chooses controls by the share, only adding as it rises, another set for another migration', () => {
    const at = (share: number, migration = 'parse-email'): string[] =>
      KEYS.filter((id) => isControl(migration, id, share))
    for (const share of [0.001, 0.1, 0.5]) expect(Math.abs(at(share).length / KEYS.length - share)).toBeLessThan(0.002)
    expect(at(0)).toHaveLength(0)
    expect(at(Number.NaN)).toHaveLength(0)
    expect(at(1)).toHaveLength(KEYS.length)
    const more = new Set(at(0.3))
    expect(at(0.1).every((id) => more.has(id))).toBe(true)
    const elsewhere = new Set(at(0.5, 'thread-email'))
    const both = at(0.5).filter((id) => elsewhere.has(id)).length / KEYS.length
    expect(Math.abs(both - 0.25)).toBeLessThan(0.005)
  })

  it('does not change: stored bitmaps and counts hang on it', () => {
    const of = (key: string): number[] => [
      keyPosition('parse-email', key),
      keySlot(key),
      keySlot(key, 3),
      keyGroup(key),
    ]
    expect([of('a@example.com'), of('ü@例子'), of('')]).toMatchInlineSnapshot(`
      [
        [
          919,
          510850,
          967922,
          11,
        ],
        [
          379,
          756093,
          206768,
          54,
        ],
        [
          352,
          393130,
          418086,
          41,
        ],
      ]
    `)
    const chosen = KEYS.slice(0, 100).flatMap((id, index) => (isControl('parse-email', id, 0.05) ? [index] : []))
    expect(chosen).toMatchInlineSnapshot(`
      [
        22,
        33,
        71,
        94,
        97,
      ]
    `)
  })
})

function chiSquare(counts: readonly number[]): number {
  const mean = counts.reduce((sum, count) => sum + count, 0) / counts.length
  return counts.reduce((sum, count) => sum + (count - mean) ** 2 / mean, 0)
}

/** Chi-square of a square table against the product of its margins. */
function independence(table: readonly number[], size: number): number {
  const total = table.reduce((sum, count) => sum + count, 0)
  const sum = (pick: (index: number) => boolean): number =>
    table.reduce((all, count, index) => (pick(index) ? all + count : all), 0)
  const rows = Array.from({ length: size }, (_, row) => sum((index) => Math.floor(index / size) === row))
  const columns = Array.from({ length: size }, (_, column) => sum((index) => index % size === column))
  return table.reduce((all, count, index) => {
    const expected = (rows[Math.floor(index / size)]! * columns[index % size]!) / total
    return all + (count - expected) ** 2 / expected
  }, 0)
}

/** Above this, chance is out of the question (mean plus five deviations). */
function limit(freedom: number): number {
  return freedom + 5 * Math.sqrt(2 * freedom)
}
