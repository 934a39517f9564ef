// A bag holds what was put in and not taken out, whatever slots were used before.

import fc from 'fast-check'
import { expect, it } from 'vitest'
import { Bag } from '../../src/ports/bag.ts'

it('holds what was put in and not taken out; a slot that is empty gives nothing', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.constant('add' as const), fc.nat(20))), (steps) => {
      const bag = new Bag<object>()
      const held = new Map<number, object>()
      for (const step of steps) {
        if (step === 'add') {
          const value = {}
          const slot = bag.add(value)
          expect(held.has(slot)).toBe(false)
          held.set(slot, value)
        } else {
          expect(bag.take(step)).toBe(held.get(step))
          held.delete(step)
        }
        expect(bag.size).toBe(held.size)
        expect(new Set(bag.all())).toEqual(new Set(held.values()))
        expect(bag.all().length).toBe(held.size)
      }
      expect(bag.take(-1)).toBeUndefined()
    }),
  )
})

it('uses slots again: it grows no further than what it held at once', () => {
  const bag = new Bag<object>()
  for (let round = 0; round < 100; round++) {
    const slots = [bag.add({}), bag.add({}), bag.add({})]
    expect(Math.max(...slots)).toBe(2)
    for (const slot of slots) bag.take(slot)
  }
})
