// Flags through OpenFeature. Its evaluation is asynchronous, the decision of a job is not: `prepare` asks, `decide` takes
// what was answered. Which dials the flag has is seen from the routes of some keys.

import { createHash, randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Client, OpenFeatureAPI, ProviderStatus } from '@openfeature/server-sdk'
import type {
  DialsReading,
  FlagDecision,
  FlagDials,
  FlagFinding,
  FlagHealth,
  FlagQuestion,
  FlagSource,
} from '../../../src/ports/flags.ts'
import { CutoverError } from '../../../src/vocabulary/errors.ts'
import { Listeners } from '../../flag-support.ts'
import { doubt } from '../../unleash-engine.ts'
import { type Answer, evaluate } from './evaluate.ts'
import type { OpenFeatureSettings } from './options.ts'
import { probeKeys, type Survey, surveyOf } from './survey.ts'
import { findingsOf, instructionsFor } from './words.ts'

type Library = typeof import('@openfeature/server-sdk')

/** A bound on memory; a key beyond it is asked again. */
const ANSWERS_KEPT = 10_000
/** Evaluations under way at once. */
const AT_ONCE = 500
const READY_MS = 3000

export class OpenFeatureSource implements FlagSource {
  readonly kind = 'openfeature'
  readonly #settings: OpenFeatureSettings
  readonly #flags: readonly string[]
  readonly #listeners = new Listeners()
  readonly #answers = new Map<string, FlagDecision>()
  readonly #stop = new AbortController()
  readonly #domain: string
  readonly #ready: Promise<void>
  readonly #loop: Promise<void>
  readonly #probes = new Map<string, readonly string[]>()
  #api: OpenFeatureAPI | undefined
  #client: Client | undefined
  #surveys: ReadonlyMap<string, Survey> = new Map()
  #revision = 'none'
  #goodAt = Number.NEGATIVE_INFINITY
  #fault: string | undefined
  #surveying: Promise<void> | undefined
  #again = false

  constructor(settings: OpenFeatureSettings, flags: readonly string[]) {
    this.#settings = settings
    this.#flags = flags
    this.#domain = settings.domain ?? `cutover-${randomUUID()}`
    const started = this.#start()
    this.#ready = Promise.race([
      started,
      sleep(READY_MS, undefined, { ref: false, signal: this.#stop.signal }).catch(() => {}),
    ])
    this.#ready.catch(() => {}) // whoever waits for it hears of it
    this.#loop = this.#run(started)
  }

  get origin(): string {
    const name = this.#client?.metadata.providerMetadata.name
    return name === undefined ? 'an OpenFeature provider' : `OpenFeature provider ${name}`
  }

  ready(): Promise<void> {
    return this.#ready
  }

  async #start(): Promise<void> {
    const library = await importLibrary()
    const { OpenFeature, ServerProviderEvents: Events } = library
    this.#api = OpenFeature
    const { provider, domain } = this.#settings
    const client = domain === '' ? OpenFeature.getClient() : OpenFeature.getClient(this.#domain)
    this.#client = client
    for (const event of [Events.Ready, Events.ConfigurationChanged, Events.Stale, Events.Error]) {
      client.addHandler(event, this.#onEvent)
    }
    if (provider !== undefined) await this.#register(library, provider)
    await this.#survey()
  }

  async #register({ OpenFeature }: Library, provider: NonNullable<OpenFeatureSettings['provider']>): Promise<void> {
    try {
      await OpenFeature.setProviderAndWait(this.#domain, await provider())
    } catch (error) {
      // it may come to itself later: then its event tells
      this.#fault = `the provider did not start: ${messageOf(error)}`
    }
  }

  readonly #onEvent = (): void => {
    this.#answers.clear()
    if (!this.#stop.signal.aborted) void this.#survey()
  }

  async #run(started: Promise<void>): Promise<void> {
    await started.catch(() => {}) // told by `ready`
    while (!this.#stop.signal.aborted) {
      // ended by close
      await sleep(this.#settings.pollMs, undefined, { signal: this.#stop.signal, ref: false }).catch(() => {})
      if (!this.#stop.signal.aborted && this.#client !== undefined) await this.#survey()
    }
  }

  async prepare({ flag, flagKind }: Omit<FlagQuestion, 'key'>, keys: readonly string[]): Promise<void> {
    for (const key of keys) this.#answers.delete(nameOf(flag, flagKind, key))
    const client = this.#client
    if (client === undefined) return
    const asking = inParts(keys, async (key) => {
      const { decision } = await this.#ask(client, { flag, flagKind, key })
      this.#answers.set(nameOf(flag, flagKind, key), decision)
    })
    await this.#within(asking)
    for (const name of this.#answers.keys()) {
      if (this.#answers.size <= ANSWERS_KEPT + keys.length) break
      this.#answers.delete(name)
    }
  }

  decide({ flag, flagKind, key }: FlagQuestion): FlagDecision {
    if (key === '') return doubt('empty-key')
    if (this.#client === undefined) return doubt('flag-doubt')
    const answer = this.#answers.get(nameOf(flag, flagKind, key))
    // asked, and not answered in time
    if (answer === undefined) return doubt('flag-error')
    return answer.reason === 'flag' && this.#isStale(this.#client) ? doubt('flag-stale') : answer
  }

  /** A provider that is not ready answers from what it had. */
  #isStale({ providerStatus }: Client): boolean {
    return providerStatus !== 'READY' && !(performance.now() - this.#goodAt <= this.#settings.maxStaleMs)
  }

  async #ask(client: Client, question: FlagQuestion): Promise<Answer> {
    try {
      return await evaluate(client, question, this.#settings.context(question.key))
    } catch (error) {
      return { decision: doubt('flag-error'), message: messageOf(error) } // the user's own context function
    }
  }

  /** What takes longer goes on, unheard. A bare timer, as each job that is enqueued alone pays for one. */
  #within(work: Promise<void>): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const late = setTimeout(resolve, this.#settings.timeoutMs, false)
      work.finally(() => clearTimeout(late)).then(() => resolve(true), reject)
    })
  }

  /** Looks at every flag; one look at a time, and once more where something changed meanwhile. */
  #survey(): Promise<void> {
    if (this.#surveying !== undefined) {
      this.#again = true
      return this.#surveying
    }
    this.#surveying = this.#surveyAll().finally(() => {
      this.#surveying = undefined
    })
    return this.#surveying
  }

  async #surveyAll(): Promise<void> {
    do {
      this.#again = false
      const surveys = new Map<string, Survey>()
      for (const flag of this.#flags) surveys.set(flag, await this.#surveyFlag(flag))
      this.#take(surveys)
    } while (this.#again && !this.#stop.signal.aborted)
  }

  async #surveyFlag(flag: string): Promise<Survey> {
    const client = this.#client as Client
    const keys = this.#probes.get(flag) ?? probeKeys(flag, this.#settings.probes)
    this.#probes.set(flag, keys)
    const answers: Answer[] = []
    const asking = inParts(keys, async (key, at) => {
      answers[at] = await this.#ask(client, { flag, flagKind: 'string', key })
    })
    const ms = Math.max(this.#settings.timeoutMs, 5000)
    const late = new AbortController()
    const time = sleep(ms, 'late' as const, { signal: late.signal, ref: false }).catch(() => 'late' as const)
    const end = await Promise.race([asking, time])
    late.abort()
    if (end === 'late') return { reading: { kind: 'custom' }, fault: `flag-error: no answer within ${ms} ms` }
    const [first] = answers
    // a boolean flag is asked as what it is
    if (first?.decision.reason === 'flag-unknown-value' && first.message?.startsWith('TYPE_MISMATCH') === true) {
      const { decision } = await this.#ask(client, { flag, flagKind: 'boolean', key: keys[0] as string })
      if (decision.reason === 'flag') return { reading: { kind: 'boolean', on: decision.route === 'target' } }
    }
    return surveyOf(answers)
  }

  #take(surveys: ReadonlyMap<string, Survey>): void {
    const before = `${this.#revision} ${this.health().state}`
    this.#surveys = surveys
    const said = [...surveys].map(([flag, { reading, fault, contradiction }]) => [flag, reading, fault, contradiction])
    this.#revision = createHash('sha256').update(JSON.stringify(said)).digest('hex').slice(0, 12)
    const status = this.#client?.providerStatus as ProviderStatus | undefined
    if (status === 'READY') {
      this.#goodAt = performance.now()
      this.#fault = undefined
    }
    if (`${this.#revision} ${this.health().state}` !== before) this.#listeners.tell()
  }

  revision(): string {
    return this.#revision
  }

  read(flag: string): DialsReading {
    return this.#surveys.get(flag)?.reading ?? { kind: 'missing' }
  }

  inspect({ flag, flagKind }: Omit<FlagQuestion, 'key'>): readonly FlagFinding[] {
    return findingsOf(this.#surveys.get(flag), flagKind)
  }

  instructions(flag: string, dials: FlagDials): string {
    return instructionsFor(flag, dials)
  }

  health(): FlagHealth {
    const status: string = this.#client?.providerStatus ?? 'NOT_READY'
    const ageMs = performance.now() - this.#goodAt
    const state = STATES[status] ?? 'broken'
    const message = this.#fault ?? (state === 'ok' ? undefined : `${this.origin} is ${status}`)
    return {
      state: this.#fault !== undefined && state === 'starting' ? 'broken' : state,
      ageMs,
      ...(message === undefined ? {} : { message }),
    }
  }

  onChange(listener: () => void): () => void {
    return this.#listeners.add(listener)
  }

  async close(): Promise<void> {
    this.#stop.abort()
    this.#listeners.clear()
    if (this.#client === undefined) return await this.#loop
    const { OpenFeature, NOOP_PROVIDER, ServerProviderEvents: Events } = await importLibrary()
    for (const event of [Events.Ready, Events.ConfigurationChanged, Events.Stale, Events.Error]) {
      this.#client.removeHandler(event, this.#onEvent)
    }
    await this.#loop
    // another provider in its place closes the one that was made for this domain
    if (this.#settings.provider !== undefined && this.#api !== undefined) {
      await OpenFeature.setProviderAndWait(this.#domain, NOOP_PROVIDER)
    }
  }
}

const STATES: Readonly<Record<string, FlagHealth['state']>> = {
  READY: 'ok',
  STALE: 'unreachable',
  ERROR: 'unreachable',
  FATAL: 'broken',
  NOT_READY: 'starting',
}

async function importLibrary(): Promise<Library> {
  try {
    return await import('@openfeature/server-sdk')
  } catch (cause) {
    const message = 'flags through OpenFeature need its SDK; run: npm install @openfeature/server-sdk @openfeature/core'
    throw new CutoverError('adapter-missing', message, { cause, details: { package: '@openfeature/server-sdk' } })
  }
}

async function inParts<T>(all: readonly T[], work: (one: T, at: number) => Promise<void>): Promise<void> {
  for (let start = 0; start < all.length; start += AT_ONCE) {
    await Promise.all(all.slice(start, start + AT_ONCE).map((one, at) => work(one, start + at)))
  }
}

function nameOf(flag: string, flagKind: FlagQuestion['flagKind'], key: string): string {
  return `${flagKind} ${flag} ${key}`
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
