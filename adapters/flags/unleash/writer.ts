// Writing a flag: all of it at once, then read back and compared, as the server has no compare-and-set. What cannot be
// said with dials was made by somebody and is left alone.

import type {
  DialsReading,
  FlagDials,
  FlagFinding,
  FlagQuestion,
  FlagWriter,
  WriteOptions,
  Written,
} from '../../../src/ports/flags.ts'
import { formatShare } from '../../../src/vocabulary/dials.ts'
import { CutoverError, isCutoverError } from '../../../src/vocabulary/errors.ts'
import { checkDials } from '../../flag-support.ts'
import { encodeBoolean, encodeDials, type FlagDefinition, type FlagStrategy } from '../../unleash-engine.ts'
import type { StoredFlag, StoredStrategy, UnleashAdmin } from './admin.ts'
import { isOurs, readDials, theOnly } from './reading.ts'
import { isTokenMissing, scopeOf, type Token } from './tokens.ts'

export class UnleashWriter implements FlagWriter {
  readonly #admin: UnleashAdmin
  /** Asks the server for what clients see now. */
  readonly #refresh: () => Promise<void>

  readonly #reading: Token

  constructor(admin: UnleashAdmin, reading: Token, refresh: () => Promise<void>) {
    this.#admin = admin
    this.#reading = reading
    this.#refresh = refresh
  }

  async read(flag: string): Promise<{ readonly reading: DialsReading; readonly revision: string }> {
    const stored = await this.#admin.flag(flag)
    if (stored === undefined) return { reading: { kind: 'missing' }, revision: 'none' }
    return { reading: readDials(definitionOf(flag, stored)), revision: await this.#admin.revision(flag) }
  }

  async write(flag: string, dials: FlagDials, options: WriteOptions = {}): Promise<Written> {
    checkDials(flag, dials)
    const before = await this.#admin.flag(flag)
    if (before === undefined) throw this.#missing(flag)
    if (options.flagKind === 'boolean') return await this.#writeBoolean(flag, before, dials, options.switchOn === true)
    const off = dials.target === 0 && dials.shadow === 0
    if (!before.enabled && !off && options.switchOn !== true) {
      throw this.#refused(flag, 'is off; dials above 0 would do nothing. To switch it on with them: --on')
    }
    const place = this.#placeOf(flag, before)
    const [strategy] = encodeDials(flag, dials).strategies as [FlagStrategy]
    if (place === undefined) await this.#admin.addStrategy(flag, strategy)
    // a flag that says so already is not written again: each write is an event that every process waits for
    else if (place.disabled || canonical(place) !== canonical(strategy)) {
      await this.#admin.replaceStrategy(flag, place, strategy)
    }
    const on = before.enabled || options.switchOn === true
    if (on && !before.enabled) await this.#admin.switch(flag, true)
    return await this.#readBack(flag, {
      enabled: on,
      strategy,
      asked: `target ${formatShare(dials.target)}, shadow ${formatShare(dials.shadow)}`,
    })
  }

  async create(flag: string, { flagKind }: { readonly flagKind: FlagQuestion['flagKind'] }): Promise<Written> {
    if ((await this.#admin.flag(flag)) !== undefined) {
      throw this.#refused(flag, 'is there already; turn its dials with: cutover flag set')
    }
    await this.#admin.create(flag)
    const definition = flagKind === 'boolean' ? encodeBoolean(flag, false) : encodeDials(flag, { target: 0, shadow: 0 })
    const [strategy] = definition.strategies as [FlagStrategy]
    try {
      await this.#admin.addStrategy(flag, strategy)
      if (definition.enabled) await this.#admin.switch(flag, true)
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause)
      const message = `the flag "${flag}" was made, but it is not complete: ${why}; complete it with: cutover flag set … --on`
      throw new CutoverError(isCutoverError(cause) ? cause.code : 'flag-unavailable', message, { cause })
    }
    return await this.#readBack(flag, { enabled: definition.enabled, strategy, asked: 'both dials at 0%' })
  }

  async kill(flag: string): Promise<Written> {
    const before = await this.#admin.flag(flag)
    if (before === undefined) throw this.#missing(flag)
    if (before.enabled) await this.#admin.switch(flag, false)
    const after = await this.#admin.flag(flag)
    if (after?.enabled !== false) throw this.#changed(flag, 'off')
    return await this.#told(flag)
  }

  async inspect(): Promise<readonly FlagFinding[]> {
    try {
      await this.#admin.probe()
      return this.#elsewhere()
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error)
      const advice =
        isTokenMissing(error) || (isCutoverError(error) && error.code === 'flag-not-writable')
          ? 'give a token for the Admin API (admin, or a person’s) and the right project; reading goes on without'
          : 'see what is said of reading; to go back meanwhile: cutover rollback, which needs no flag'
      return [{ id: 'writer', status: 'warn', text, advice }]
    }
  }

  /** Written in one place and read in another. */
  #elsewhere(): readonly FlagFinding[] {
    const { project, environment } = this.#admin
    const read = readable(this.#reading)
    if (read === undefined) return []
    const wrong = [
      ...(read.environment === environment ? [] : [`environment "${read.environment}"`]),
      ...(['*', '[]', project].includes(read.project) ? [] : [`project "${read.project}"`]),
    ]
    if (wrong.length === 0) return []
    const text = `flags are written in environment "${environment}" of project "${project}", and the token in ${this.#reading.from} reads ${wrong.join(' of ')}: what is written is not obeyed`
    const advice = 'set admin.environment and admin.project to what is read, or read with a token of what is written'
    return [{ id: 'elsewhere', status: 'bad', text, advice }]
  }

  /** On is target for everybody; there is nothing between. */
  async #writeBoolean(
    flag: string,
    before: StoredFlag,
    { target, shadow }: FlagDials,
    switchOn: boolean,
  ): Promise<Written> {
    if (shadow !== 0 || (target !== 0 && target !== 1)) {
      throw this.#refused(
        flag,
        `is a boolean flag: target 0% or 100% without shadow is all it can say, not target ${formatShare(target)}, shadow ${formatShare(shadow)}`,
      )
    }
    const on = target === 1
    if (on && !before.enabled && !switchOn) throw this.#refused(flag, 'is off; to switch it on: --on')
    if (before.strategies.some(({ variants }) => variants.length > 0)) {
      throw this.#refused(flag, "has variants, and the migration says flagKind: 'boolean'")
    }
    if (on && before.strategies.length === 0) {
      const [strategy] = encodeBoolean(flag, true).strategies as [FlagStrategy]
      await this.#admin.addStrategy(flag, strategy)
    }
    if (on !== before.enabled) await this.#admin.switch(flag, on)
    const after = await this.#admin.flag(flag)
    if (after?.enabled !== on) throw this.#changed(flag, on ? 'on' : 'off')
    return await this.#told(flag)
  }

  /** The strategy to replace; undefined: there is none yet. Refuses what dials would destroy. */
  #placeOf(flag: string, stored: StoredFlag): StoredStrategy | undefined {
    const active = stored.strategies.filter(({ disabled }) => !disabled)
    const all = active.length > 0 ? active : stored.strategies.map((each) => ({ ...each, disabled: false }))
    const [first] = all
    if (first === undefined) return undefined
    const only = theOnly(definitionOf(flag, { ...stored, strategies: all }))
    if (only === undefined || !isOurs(first)) {
      throw this.#refused(
        flag,
        'has rules of its own (constraints, several strategies, a partial rollout, or variants of other names), which two dials would destroy; change it there, or remove those rules first',
      )
    }
    return first
  }

  async #readBack(
    flag: string,
    {
      enabled,
      strategy,
      asked,
    }: { readonly enabled: boolean; readonly strategy: FlagStrategy; readonly asked: string },
  ): Promise<Written> {
    const after = await this.#admin.flag(flag)
    const active = after?.strategies.filter(({ disabled }) => !disabled) ?? []
    const [only] = active
    const same = active.length === 1 && only !== undefined && canonical(only) === canonical(strategy)
    if (after === undefined || after.enabled !== enabled || !same) throw this.#changed(flag, asked)
    return await this.#told(flag)
  }

  async #told(flag: string): Promise<Written> {
    const revision = await this.#admin.revision(flag)
    await this.#refresh()
    return { revision }
  }

  #missing(flag: string): CutoverError {
    const { project } = this.#admin
    return this.#refused(flag, `is not in project "${project}"; make it with: cutover flag create`)
  }

  #changed(flag: string, asked: string): CutoverError {
    const message = `the flag "${flag}" was written (${asked}), but reads otherwise now: somebody else changes it at the same time; look at ${this.#admin.pageOf(flag)}, then run the command again`
    return new CutoverError('flag-unavailable', message, { details: { flag } })
  }

  #refused(flag: string, why: string): CutoverError {
    const { environment, url } = this.#admin
    const message = `the flag "${flag}" at ${url} (environment "${environment}") ${why}`
    return new CutoverError('flag-not-writable', message, { details: { flag, environment } })
  }
}

/** What a token says of itself; a missing one is told where the flag is read. */
function readable(token: Token): ReturnType<typeof scopeOf> {
  try {
    return scopeOf(token.read())
  } catch {
    return undefined
  }
}

/** As clients would see it. */
function definitionOf(name: string, { enabled, strategies, dependencies }: StoredFlag): FlagDefinition {
  return { name, enabled, strategies: strategies.filter(({ disabled }) => !disabled), dependencies }
}

/** All that a strategy says, the same for the same meaning. */
function canonical({ name, parameters, constraints, segments = [], variants }: FlagStrategy): string {
  const said = Object.entries(parameters).sort()
  const all = variants.map((each) => [
    each.name,
    each.weight,
    each.weightType,
    each.stickiness,
    each.payload?.type,
    each.payload?.value,
  ])
  return JSON.stringify([name, said, constraints, segments, all.sort()])
}
