// What do the flags of a file say right now? Decisions come from the last good content; a broken file changes nothing
// but the health.

import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import type {
  DialsReading,
  FlagDecision,
  FlagHealth,
  FlagQuestion,
  FlagSource,
  FlagWriter,
} from '../../../src/ports/flags.ts'
import { Decided, Listeners } from '../../flag-support.ts'
import {
  doubt,
  type Evaluate,
  encodeBoolean,
  encodeDials,
  type FlagDefinition,
  loadEngine,
} from '../../unleash-engine.ts'
import { type FlagFile, type FlagValue, flagFileError, parseFlagFile } from './parse.ts'
import { FileWatch } from './watch.ts'
import { canonical, isMissing, writeFlag } from './write.ts'

/**
 * A change counts when two looks this far apart saw the same: a save in place is half a file for a moment, and half a
 * file can be good YAML. A save that pauses for longer is read half; only a replacement by rename is safe from that.
 */
export const SETTLE_MS = 10
/** A file that is written without a pause is taken as it is after this. */
const SETTLE_MAX_MS = 100

export interface FileFlagSourceOptions {
  /** Absolute. */
  readonly path: string
  readonly pollMs: number
  /** The flags that are asked for; those without a value are named in the health. */
  readonly flags: readonly string[]
}

/** One look at the file; the same content or failure has the same `sign`. */
interface Look {
  readonly sign: string
  readonly text?: string
  readonly error?: unknown
}

interface Good {
  readonly values: ReadonlyMap<string, FlagValue>
  readonly definitions: ReadonlyMap<string, FlagDefinition>
  readonly revision: string
}

const NOTHING: Good = goodOf(new Map())

export class FileFlagSource implements FlagSource {
  readonly kind = 'file'
  readonly origin: string
  readonly writer: FlagWriter = {
    write: (flag, dials) => this.#write(flag, dials),
    read: async (flag) => {
      await this.#check('now')
      return { reading: this.read(flag), revision: this.revision() }
    },
  }
  readonly #flags: readonly string[]
  readonly #listeners = new Listeners()
  readonly #ready: Promise<void>
  readonly #watch: FileWatch
  #evaluate: Evaluate | undefined
  /** What the decisions come from; undefined until a file was good. */
  #good: Good | undefined
  #goodAt = Number.NEGATIVE_INFINITY
  /** What the last look saw, good or not. */
  #seen: string | undefined
  #state: FlagHealth['state'] = 'starting'
  #message: string | undefined
  /** There was no file at the last look. */
  #absent = false
  /** Flags of a broken file that have a value nobody knows. */
  #unknown: ReadonlySet<string> = new Set()
  readonly #decided = new Decided()
  /** What no change of the file repairs: the engine is missing or fails. */
  #fault: string | undefined
  #checking: Promise<boolean> | undefined
  #checkAgain = false

  constructor({ path, pollMs, flags }: FileFlagSourceOptions) {
    this.origin = path
    this.#flags = flags
    const onError = (error: unknown): void => this.#fail(error)
    this.#watch = new FileWatch({ path, pollMs, check: () => this.#check('settled'), onError })
    this.#ready = this.#start()
    // Whoever waits for it hears of it; whoever does not must not be ended by it.
    this.#ready.catch(onError)
  }

  ready(): Promise<void> {
    return this.#ready
  }

  decide(question: FlagQuestion): FlagDecision {
    if (this.#evaluate === undefined) return doubt('flag-doubt')
    const definition = this.#good?.definitions.get(question.flag)
    if (definition === undefined) return doubt(this.#whyNone(question.flag))
    if (question.flagKind !== 'string') return this.#evaluate(definition, question)
    return this.#decided.decide(definition, question, this.#evaluate)
  }

  revision(): string {
    return (this.#good ?? NOTHING).revision
  }

  read(flag: string): DialsReading {
    return this.#good?.values.get(flag) ?? { kind: 'missing' }
  }

  health(): FlagHealth {
    const message = this.#fault ?? this.#message ?? this.#withoutValue()
    const ageMs = performance.now() - this.#goodAt
    return {
      state: this.#fault === undefined ? this.#state : 'broken',
      ageMs,
      ...(message === undefined ? {} : { message }),
    }
  }

  onChange(listener: () => void): () => void {
    return this.#listeners.add(listener)
  }

  async close(): Promise<void> {
    this.#watch.close()
    this.#listeners.clear()
    await this.#checking
  }

  async #start(): Promise<void> {
    const [evaluate] = await Promise.all([loadEngine((error) => this.#fail(error)), this.#check('now')])
    this.#evaluate = evaluate
  }

  async #write(
    flag: string,
    dials: { readonly target: number; readonly shadow: number },
  ): Promise<{ revision: string }> {
    await writeFlag(this.origin, flag, dials)
    await this.#check('now')
    return { revision: this.revision() }
  }

  #whyNone(flag: string): FlagDecision['reason'] {
    if (this.#unknown.has(flag)) return 'flag-unknown-value'
    return this.#good === undefined && !this.#absent ? 'flag-error' : 'flag-missing'
  }

  #withoutValue(): string | undefined {
    if (this.#state !== 'ok') return undefined
    const missing = this.#flags.filter((flag) => this.#good?.values.has(flag) !== true)
    return missing.length === 0
      ? undefined
      : `${this.origin}: no value for ${missing.join(', ')}; their jobs go to legacy`
  }

  /** Reads the file; answers whether anything changed. Called again while it reads, it reads once more. */
  #check(when: 'now' | 'settled'): Promise<boolean> {
    if (this.#checking !== undefined) {
      this.#checkAgain = true
      return this.#checking
    }
    this.#checking = this.#checkAll(when)
    return this.#checking
  }

  async #checkAll(when: 'now' | 'settled'): Promise<boolean> {
    let changed = false
    try {
      do {
        this.#checkAgain = false
        changed = (await this.#checkOnce(when)) || changed
      } while (this.#checkAgain)
      return changed
    } finally {
      // In the same step as the last look at `checkAgain`: a call in between would be answered with old values.
      this.#checking = undefined
    }
  }

  async #checkOnce(when: 'now' | 'settled'): Promise<boolean> {
    const look = when === 'now' ? await this.#look() : await this.#settledLook()
    if (look.sign === this.#seen) {
      if (this.#state === 'ok') this.#goodAt = performance.now()
      return false
    }
    this.#seen = look.sign
    this.#absent = look.text === undefined && isMissing(look.error)
    if (look.text === undefined) return this.#unreadable(look.error)
    const file = await parseFlagFile(look.text)
    return file.problems.length === 0 ? this.#take(file) : this.#keep(file)
  }

  async #settledLook(): Promise<Look> {
    const until = performance.now() + SETTLE_MAX_MS
    let look = await this.#look()
    while (look.sign !== this.#seen) {
      await sleep(SETTLE_MS)
      const again = await this.#look()
      if (again.sign === look.sign || performance.now() > until) return again
      look = again
    }
    return look
  }

  async #look(): Promise<Look> {
    try {
      const text = await readFile(this.origin, 'utf8')
      return { sign: `text ${text}`, text }
    } catch (error) {
      return { sign: `error ${messageOf(error)}`, error }
    }
  }

  #take({ values }: FlagFile): boolean {
    const before = { revision: this.#good?.revision, state: this.#state }
    const good = goodOf(values)
    this.#good = good
    this.#goodAt = performance.now()
    this.#unknown = new Set()
    this.#set('ok', undefined)
    if (good.revision !== before.revision || before.state !== 'ok') this.#listeners.tell()
    return true
  }

  #keep({ problems }: FlagFile): boolean {
    const { message } = flagFileError(this.origin, problems)
    const known = this.#good?.values
    const named = problems.flatMap(({ flag }) => (flag === undefined || known?.has(flag) === true ? [] : [flag]))
    this.#unknown = new Set(named)
    const kept = known === undefined ? 'every job goes to legacy until it is repaired' : 'the last good values are kept'
    this.#set('broken', `${message}\n${kept}`)
    this.#listeners.tell()
    return true
  }

  #unreadable(error: unknown): boolean {
    const why = this.#absent ? 'there is no such file' : messageOf(error)
    const kept = this.#good === undefined ? 'every job goes to legacy' : 'the last good values are kept'
    this.#unknown = new Set()
    this.#set('unreachable', `${this.origin}: ${why}; ${kept}`)
    this.#listeners.tell()
    return true
  }

  /** Kept until the process ends: said in the health, once, and the values stay. */
  #fail(error: unknown): void {
    if (this.#fault !== undefined) return
    this.#fault = `${this.origin}: ${messageOf(error)}`
    this.#listeners.tell()
  }

  #set(state: FlagHealth['state'], message: string | undefined): void {
    this.#state = state
    this.#message = message
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

function goodOf(values: ReadonlyMap<string, FlagValue>): Good {
  const definitions = new Map([...values].map(([flag, value]) => [flag, encode(flag, value)]))
  return { values, definitions, revision: createHash('sha256').update(canonical(values)).digest('hex').slice(0, 12) }
}

function encode(flag: string, value: FlagValue): FlagDefinition {
  if (value.kind === 'dials') return encodeDials(flag, value)
  return encodeBoolean(flag, value.kind === 'boolean' && value.on)
}
