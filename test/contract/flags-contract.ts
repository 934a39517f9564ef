// What every flag source must do, whatever is behind it. Its test hands over how to open one and how to turn its dials.

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { encodeDials, loadEngine } from '../../adapters/unleash-engine.ts'
import { coversRevision, type FlagDecision, type FlagDials, type FlagSource } from '../../src/ports/flags.ts'
import { isShadowed, type Route, sideOf } from '../../src/vocabulary/job.ts'
import { until } from '../support/app.ts'

export interface FlagsBed {
  readonly source: FlagSource
  /** A flag that is there, with both dials at 0 at first. */
  readonly flag: string
  /** Turns the dials where they are kept, not through the source. */
  set(dials: FlagDials): Promise<void>
  /** Closes the source and what is behind it. */
  close(): Promise<void>
}

export interface FlagsContractOptions {
  readonly open: () => Promise<FlagsBed>
  /** The same keys get the same routes as from a file with the same dials; false where a vendor draws by itself. */
  readonly sameRoutes: boolean
  /** How long the start of what is behind it may take, ms. */
  readonly startMs?: number
}

const KEYS = Array.from({ length: 4000 }, (_, n) => `box-${n}@example.org`)

export function flagsContract(name: string, { open, sameRoutes, startMs = 10_000 }: FlagsContractOptions): void {
  describe(`flag source: ${name}`, () => {
    let bed: FlagsBed
    beforeAll(async () => {
      bed = await open()
      await bed.source.ready()
    }, startMs)
    afterAll(() => bed?.close())

    const decide = (key: string, flag = bed.flag): FlagDecision => bed.source.decide({ flag, key, flagKind: 'string' })
    const routes = async (): Promise<Route[]> => {
      await bed.source.prepare?.({ flag: bed.flag, flagKind: 'string' }, KEYS)
      return KEYS.map((key) => decide(key).route)
    }
    const turn = async (dials: FlagDials): Promise<void> => {
      await bed.set(dials)
      const same = (): boolean => {
        const seen = bed.source.read(bed.flag)
        return seen.kind === 'dials' && seen.target === dials.target && seen.shadow === dials.shadow
      }
      await until(same, `target ${dials.target}, shadow ${dials.shadow} is seen`)
    }

    test('is well, and says where its values come from', () => {
      expect(bed.source.health().state).toBe('ok')
      expect(bed.source.health().ageMs).toBeLessThan(60_000)
      expect(bed.source.origin).not.toBe('')
      expect(bed.source.revision()).not.toBe('')
    })

    test('what is not known is legacy, each with its reason', async () => {
      await bed.source.prepare?.({ flag: 'no-such-flag', flagKind: 'string' }, ['a'])
      await bed.source.prepare?.({ flag: bed.flag, flagKind: 'string' }, [''])
      expect(decide('a', 'no-such-flag')).toEqual({ route: 'legacy', reason: 'flag-missing' })
      expect(decide('')).toEqual({ route: 'legacy', reason: 'empty-key' })
      expect(bed.source.read('no-such-flag')).toEqual({ kind: 'missing' })
    })

    test('the same values give the same routes and the same revision', async () => {
      await turn({ target: 0.3, shadow: 0.5 })
      const before = { routes: await routes(), revision: bed.source.revision() }
      expect({ routes: await routes(), revision: bed.source.revision() }).toEqual(before)
      expect(new Set(before.routes).size).toBe(4)
    })

    test('shares are those of the dials', async () => {
      for (const { target, shadow } of [
        { target: 0, shadow: 1 },
        { target: 0.25, shadow: 0.4 },
        { target: 1, shadow: 0 },
      ]) {
        await turn({ target, shadow })
        const all = await routes()
        const share = (pick: (route: Route) => boolean): number => all.filter(pick).length / all.length
        // 4 standard deviations of 4,000 keys
        expect(Math.abs(share((route) => sideOf(route) === 'target') - target)).toBeLessThanOrEqual(0.028)
        expect(Math.abs(share(isShadowed) - shadow)).toBeLessThanOrEqual(0.032)
      }
    })

    test('no key moves back while target rises, whatever shadow does; the listeners hear of each turn', async () => {
      await turn({ target: 0, shadow: 0.4 })
      let heard = 0
      const stop = bed.source.onChange(() => {
        heard += 1
      })
      let before = await routes()
      const revisions = new Set([bed.source.revision()])
      for (const dials of [
        { target: 0.1, shadow: 1 },
        { target: 0.2, shadow: 0 },
        { target: 0.6, shadow: 0.3 },
        { target: 1, shadow: 1 },
      ]) {
        await turn(dials)
        const after = await routes()
        expect(after.filter((route, at) => sideOf(before[at]!) === 'target' && sideOf(route) === 'legacy')).toEqual([])
        before = after
        revisions.add(bed.source.revision())
      }
      stop()
      expect(heard).toBeGreaterThanOrEqual(4)
      expect(revisions.size).toBe(5)
      const sofar = heard
      await turn({ target: 0, shadow: 0 })
      expect(heard).toBe(sofar)
    })

    if (sameRoutes)
      test('the same keys get the same routes as from every other source', async () => {
        const evaluate = await loadEngine((error) => {
          throw error
        })
        await turn({ target: 0.37, shadow: 0.2 })
        const definition = encodeDials(bed.flag, { target: 0.37, shadow: 0.2 })
        const expected = KEYS.map((key) => evaluate(definition, { key, flagKind: 'string' }).route)
        expect(await routes()).toEqual(expected)
      })

    test('where it can be written: written, read back, and covered by its own revision; else it says what to set', async () => {
      const { writer, instructions } = bed.source
      if (writer === undefined) {
        const said = instructions?.call(bed.source, bed.flag, { target: 0.05, shadow: 1 }) ?? ''
        for (const part of [bed.flag, '5%', '100%']) expect(said).toContain(part)
        return
      }
      const { revision } = await writer.write(bed.flag, { target: 0.05, shadow: 1 })
      const covers = (): boolean => {
        const now = bed.source.revision()
        return coversRevision(now, revision)
      }
      await until(covers, 'the written revision is applied')
      expect(bed.source.read(bed.flag)).toEqual({ kind: 'dials', target: 0.05, shadow: 1 })
      expect(await writer.read?.(bed.flag)).toMatchObject({ reading: { kind: 'dials', target: 0.05, shadow: 1 } })
      for (const wrong of [
        { target: 1.5, shadow: 0 },
        { target: 0, shadow: -0.1 },
        { target: 0.12345, shadow: 0 },
      ]) {
        await expect(writer.write(bed.flag, wrong)).rejects.toMatchObject({ code: 'option-invalid' })
      }
      expect(await writer.read?.(bed.flag)).toMatchObject({ reading: { kind: 'dials', target: 0.05, shadow: 1 } })
    })

    test('after close nothing is heard', async () => {
      let heard = 0
      bed.source.onChange(() => {
        heard += 1
      })
      await bed.source.close()
      await bed.set({ target: 0.9, shadow: 0 })
      await new Promise((resolve) => setTimeout(resolve, 50))
      expect(heard).toBe(0)
    })
  })
}
