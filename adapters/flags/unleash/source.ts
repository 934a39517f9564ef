// What does an Unleash server say of each flag right now? Its last good answer, evaluated by its own client; a flag in
// doubt is legacy for every key.

import { randomUUID } from 'node:crypto'
import type {
  DialsReading,
  FlagDecision,
  FlagFinding,
  FlagHealth,
  FlagQuestion,
  FlagSource,
  FlagWriter,
} from '../../../src/ports/flags.ts'
import { Decided, Listeners } from '../../flag-support.ts'
import { doubt, type Evaluate, type FlagContext, type FlagDefinition, loadEngine } from '../../unleash-engine.ts'
import { UnleashAdmin } from './admin.ts'
import { type Answer, parseAnswer } from './answer.ts'
import { readBootstrap } from './bootstrap.ts'
import { doubtOf, type Fault, faultsOf, findingOf, isDoubtId, stickyOn } from './doubts.ts'
import { Exposures } from './exposures.ts'
import type { UnleashSettings } from './options.ts'
import { Poller } from './poller.ts'
import { readDials } from './reading.ts'
import { UnleashWriter } from './writer.ts'

/** What is worked out once an answer, for each flag that is asked for. */
interface Known {
  readonly definition: FlagDefinition
  readonly reading: DialsReading
  /** By `flagKind`: what every job is told instead of the flag's answer. */
  readonly doubts: Readonly<Record<FlagQuestion['flagKind'], FlagDecision | undefined>>
  /** What a key's context must have. */
  readonly needs: readonly string[]
  /** The answer hangs on the key alone. */
  readonly plain: boolean
}

export class UnleashFlagSource implements FlagSource {
  readonly kind = 'unleash'
  readonly origin: string
  readonly writer?: FlagWriter
  readonly exposed?: (flag: string, decision: FlagDecision) => void
  readonly #settings: UnleashSettings
  readonly #flags: readonly string[]
  readonly #listeners = new Listeners()
  readonly #decided = new Decided()
  readonly #poller: Poller
  readonly #exposures: Exposures | undefined
  readonly #ready: Promise<void>
  #evaluate: Evaluate | undefined
  #seen: Answer | undefined
  #known: ReadonlyMap<string, Known> = new Map()
  #bootstrapFault: string | undefined
  #evaluationFault: string | undefined

  constructor(settings: UnleashSettings, flags: readonly string[]) {
    this.#settings = settings
    this.#flags = flags
    this.origin = settings.url
    const instanceId = `cutover-${randomUUID()}`
    const { url, token, appName, pollMs, timeoutMs, maxBytes, metricsMs } = settings
    const headers = { 'unleash-appname': appName, 'unleash-instanceid': instanceId, 'user-agent': 'cutover' }
    const onChange = (): void => this.#listeners.tell()
    this.#poller = new Poller({ url, token, headers, pollMs, timeoutMs, maxBytes, onChange }, this.#bootstrap())
    if (metricsMs > 0) {
      const exposures = new Exposures({ url, token, headers, appName, instanceId, everyMs: metricsMs, timeoutMs })
      this.#exposures = exposures
      this.exposed = (flag, decision) => exposures.count(flag, decision)
    }
    if (settings.admin !== undefined) {
      const admin = new UnleashAdmin({ ...settings.admin, url, timeoutMs, maxBytes })
      this.writer = new UnleashWriter(admin, token, () => this.#poller.refresh())
    }
    this.#ready = this.#start()
    // whoever waits for it hears of it; whoever does not must not be ended by it
    this.#ready.catch(() => {})
  }

  async #start(): Promise<void> {
    const [evaluate] = await Promise.all([loadEngine((error) => this.#failed(error)), this.#poller.ready()])
    this.#evaluate = evaluate
    this.#listeners.tell()
  }

  #bootstrap(): Answer | undefined {
    const { bootstrap } = this.#settings
    if (bootstrap === undefined) return undefined
    try {
      return parseAnswer(readBootstrap(bootstrap), null, bootstrap)
    } catch (error) {
      this.#bootstrapFault = error instanceof Error ? error.message : String(error)
      return undefined
    }
  }

  ready(): Promise<void> {
    return this.#ready
  }

  decide(question: FlagQuestion): FlagDecision {
    if (this.#evaluate === undefined) return doubt('flag-doubt')
    const { answer, ageMs, state } = this.#poller
    if (answer === undefined) return doubt(state === 'starting' ? 'flag-doubt' : 'flag-error')
    if (!(ageMs <= this.#settings.maxStaleMs)) return doubt('flag-stale')
    const known = this.#look(answer).get(question.flag)
    if (known === undefined) return doubt('flag-missing')
    if (question.key === '' && known.definition.enabled) return doubt('empty-key')
    const doubted = known.doubts[question.flagKind]
    if (doubted !== undefined) return doubted
    if (known.plain && question.flagKind === 'string') {
      return this.#decided.decide(known.definition, question, this.#evaluate)
    }
    const context = this.#contextOf(question.key)
    if (known.needs.some((name) => context?.[name] === undefined || context[name] === '')) return doubt('flag-doubt')
    return this.#evaluate(known.definition, { ...question, ...(context === undefined ? {} : { context }) }, answer)
  }

  revision(): string {
    return this.#poller.answer?.mark ?? 'none'
  }

  read(flag: string): DialsReading {
    const { answer } = this.#poller
    return (answer === undefined ? undefined : this.#look(answer).get(flag)?.reading) ?? { kind: 'missing' }
  }

  inspect({ flag, flagKind }: Omit<FlagQuestion, 'key'>): readonly FlagFinding[] {
    const { answer, ageMs, doubt: channel } = this.#poller
    const found = channel === undefined ? [] : [findingOf(channel)]
    if (answer === undefined)
      return channel === 'unreachable' || channel === 'silent' ? [findingOf('down-at-start'), ...found] : found
    if (!(ageMs <= this.#settings.maxStaleMs)) found.unshift(findingOf('stale'))
    if (answer.flags.size === 0) return [...found, findingOf('no-features')]
    const sticky = this.#stickyOn
    const faults = faultsOf(answer.flags.get(flag), { flagKind, sticky })
    return [...found, ...unique(faults).map(({ id, detail }) => findingOf(id, detail))]
  }

  finding(id: string): FlagFinding | undefined {
    return isDoubtId(id) ? findingOf(id) : undefined
  }

  health(): FlagHealth {
    const { state, ageMs, message } = this.#poller
    const stale = Number.isFinite(ageMs) && ageMs > this.#settings.maxStaleMs
    const said = [
      message,
      ...(stale ? [`${doubtOf('stale').what}: every job goes to legacy`] : []),
      this.#bootstrapFault,
      this.#evaluationFault,
      state === 'ok' ? this.#troubles() : undefined,
    ].filter((text) => text !== undefined)
    return { state, ageMs, ...(said.length === 0 ? {} : { message: said.join('\n') }) }
  }

  onChange(listener: () => void): () => void {
    return this.#listeners.add(listener)
  }

  async close(): Promise<void> {
    this.#listeners.clear()
    await Promise.all([this.#poller.close(), this.#exposures?.close()])
  }

  #failed(error: unknown): void {
    this.#evaluationFault = `the evaluation failed: ${error instanceof Error ? error.message : String(error)}`
  }

  /** Worked out with the first question after each answer. */
  #look(answer: Answer): ReadonlyMap<string, Known> {
    if (answer === this.#seen) return this.#known
    this.#seen = answer
    const known = new Map<string, Known>()
    for (const flag of this.#flags) {
      const definition = answer.flags.get(flag)
      if (definition !== undefined) known.set(flag, this.#knowledgeOf(definition))
    }
    this.#known = known
    return known
  }

  #knowledgeOf(definition: FlagDefinition): Known {
    const reading = readDials(definition)
    const sticky = this.#stickyOn
    const doubts = {
      string: decisionOf(faultsOf(definition, { flagKind: 'string', sticky })),
      boolean: decisionOf(faultsOf(definition, { flagKind: 'boolean', sticky })),
    }
    return { definition, reading, doubts, needs: stickyOn(definition), plain: reading.kind === 'dials' }
  }

  /** A context that a function makes is known with the key; until then its names are taken on trust. */
  get #stickyOn(): (name: string) => boolean {
    const { context } = this.#settings
    if (context === undefined) return () => false
    return typeof context === 'function' ? () => true : (name) => Object.hasOwn(context, name)
  }

  #contextOf(key: string): FlagContext | undefined {
    const { context } = this.#settings
    if (typeof context !== 'function') return context
    try {
      return context(key)
    } catch (error) {
      this.#failed(error)
      return undefined
    }
  }

  #troubles(): string | undefined {
    const { answer } = this.#poller
    if (answer === undefined) return undefined
    const missing = this.#flags.filter((flag) => !answer.flags.has(flag))
    const lines = missing.length === 0 ? [] : [`no flag ${missing.join(', ')} there; its jobs go to legacy`]
    return lines.length === 0 ? undefined : lines.join('\n')
  }
}

function decisionOf([first]: readonly Fault[]): FlagDecision | undefined {
  if (first === undefined) return undefined
  const { reason } = doubtOf(first.id)
  return Object.freeze(doubt(reason === 'last' ? 'flag-doubt' : reason))
}

/** One finding a kind, with what was seen first. */
function unique(faults: readonly Fault[]): readonly Fault[] {
  return faults.filter(({ id }, at) => faults.findIndex((other) => other.id === id) === at)
}
