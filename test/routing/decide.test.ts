// The table of decisions: every reason, and in which order they win.

import { describe, expect, it } from 'vitest'
import { type ControlView, type DecideInput, decide } from '../../src/routing/decide.ts'
import { POSITIONS } from '../../src/routing/hash.ts'
import { type DecisionReason, isShadowed, ROUTES, type Route, sideOf } from '../../src/vocabulary/job.ts'

const CONTROL: ControlView = { known: true, ageMs: 0, latchSet: false, ceiling: 1 }

interface Case {
  readonly flag?: Route
  readonly doubt?: DecisionReason
  readonly control?: Partial<ControlView>
  readonly position?: number
  readonly shadowable?: boolean
  readonly forced?: Route
}

function run({ flag = 'target-shadowed', doubt, control, position, shadowable = true, forced }: Case): string {
  const input: DecideInput = {
    flag: doubt === undefined ? { route: flag, reason: 'flag' } : { route: 'legacy', reason: doubt },
    control: { ...CONTROL, ...control },
    position: () => {
      if (position === undefined) throw new Error('the position is not needed here')
      return position
    },
    shadowable,
    ...(forced === undefined ? {} : { forced }),
  }
  const { route, reason } = decide(input)
  return `${route} ${reason}`
}

describe('decide', () => {
  it.each<[string, Case, string]>([
    ['the flag’s own route', { flag: 'legacy' }, 'legacy flag'],
    ['the flag’s own route', { flag: 'legacy-shadowed' }, 'legacy-shadowed flag'],
    ['the flag’s own route', { flag: 'target' }, 'target flag'],
    ['the flag’s own route', { flag: 'target-shadowed' }, 'target-shadowed flag'],

    ['flag in doubt', { doubt: 'flag-doubt' }, 'legacy flag-doubt'],
    ['flag missing', { doubt: 'flag-missing' }, 'legacy flag-missing'],
    ['flag off', { doubt: 'flag-off' }, 'legacy flag-off'],
    ['flag unknown', { doubt: 'flag-unknown-value' }, 'legacy flag-unknown-value'],
    ['flag stale', { doubt: 'flag-stale' }, 'legacy flag-stale'],
    ['flag error', { doubt: 'flag-error' }, 'legacy flag-error'],
    ['empty key', { doubt: 'empty-key' }, 'legacy empty-key'],

    ['never read', { control: { known: false } }, 'legacy ledger-unavailable'],
    ['read a second ago', { control: { ageMs: 1000 } }, 'target-shadowed flag'],
    ['read longer ago', { control: { ageMs: 1000.1 } }, 'legacy ledger-stale'],
    ['age unknown', { control: { ageMs: Number.NaN } }, 'legacy ledger-stale'],
    ['clock ran backwards', { control: { ageMs: -1 } }, 'legacy ledger-stale'],
    ['stale drops the shadow too', { flag: 'legacy-shadowed', control: { ageMs: 2000 } }, 'legacy ledger-stale'],
    ['stale before latch', { control: { ageMs: 2000, latchSet: true } }, 'legacy ledger-stale'],

    ['latch', { control: { latchSet: true } }, 'legacy latch'],
    ['latch drops the shadow', { flag: 'legacy-shadowed', control: { latchSet: true } }, 'legacy latch'],
    ['latch before doubt', { doubt: 'flag-missing', control: { latchSet: true } }, 'legacy latch'],

    ['under the ceiling', { flag: 'target', control: { ceiling: 0.25 }, position: 751 }, 'target flag'],
    ['over the ceiling', { flag: 'target', control: { ceiling: 0.25 }, position: 750 }, 'legacy ceiling'],
    ['ceiling keeps the shadow', { control: { ceiling: 0.25 }, position: 750 }, 'legacy-shadowed ceiling'],
    ['ceiling of nothing', { flag: 'target', control: { ceiling: 0 }, position: 1000 }, 'legacy ceiling'],
    ['ceiling of 0.1 %', { flag: 'target', control: { ceiling: 0.001 }, position: 1000 }, 'target flag'],
    ['ceiling of 0.1 %', { flag: 'target', control: { ceiling: 0.001 }, position: 999 }, 'legacy ceiling'],
    ['ceiling is no business of legacy', { flag: 'legacy-shadowed', control: { ceiling: 0 } }, 'legacy-shadowed flag'],
    ['no ceiling known', { flag: 'target', control: { ceiling: Number.NaN }, position: 1000 }, 'legacy ceiling'],

    ['not shadowable', { flag: 'target-shadowed', shadowable: false }, 'target not-shadowable'],
    ['not shadowable', { flag: 'legacy-shadowed', shadowable: false }, 'legacy not-shadowable'],
    ['nothing to drop', { flag: 'target', shadowable: false }, 'target flag'],
    ['ceiling, not shadowable', { control: { ceiling: 0 }, position: 1000, shadowable: false }, 'legacy ceiling'],

    ['forced', { flag: 'legacy', forced: 'target-shadowed', control: { known: false } }, 'target-shadowed forced'],
    ['forced, not shadowable', { forced: 'target-shadowed', shadowable: false }, 'target not-shadowable'],
  ])('%s: %o → %s', (_name, input, expected) => {
    expect(run(input)).toBe(expected)
  })

  it('never gives more than the flag, and no target with an old read, whatever else is said', () => {
    for (const flag of ROUTES) {
      for (const latchSet of [false, true]) {
        for (const ageMs of [0, 1000, 1001]) {
          for (const ceiling of [0, 0.001, 0.5, 1]) {
            for (const position of [1, 500, 501, POSITIONS]) {
              for (const shadowable of [false, true]) {
                const control = { known: true, ageMs, latchSet, ceiling }
                const flagged = { route: flag, reason: 'flag' } as const
                const { route } = decide({ flag: flagged, control, position: () => position, shadowable })
                if (sideOf(route) === 'target') {
                  expect(sideOf(flag)).toBe('target')
                  expect(ageMs <= 1000 && !latchSet && position > POSITIONS * (1 - ceiling)).toBe(true)
                }
                if (isShadowed(route)) expect(isShadowed(flag) && shadowable && !latchSet).toBe(true)
              }
            }
          }
        }
      }
    }
  })
})
