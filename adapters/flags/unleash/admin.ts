// The part of Unleash's Admin API that a flag needs: look, make, replace a strategy, switch, and what it was last.

import { CutoverError } from '../../../src/vocabulary/errors.ts'
import type { FlagStrategy } from '../../unleash-engine.ts'
import { ask, ChannelFault, type Reply } from './http.ts'
import { scrub, type Token } from './tokens.ts'

export interface UnleashAdminSettings {
  readonly url: string
  readonly token: Token
  readonly project: string
  readonly environment: string
  readonly timeoutMs: number
  readonly maxBytes: number
}

/** A strategy as it is stored. */
export interface StoredStrategy extends FlagStrategy {
  readonly id: string
  readonly title: string | null
  readonly disabled: boolean
  readonly sortOrder: number
}

/** A flag in one environment. */
export interface StoredFlag {
  readonly enabled: boolean
  readonly strategies: readonly StoredStrategy[]
  readonly dependencies: readonly unknown[]
}

/** What is written of a strategy: all of it, as what is left out would take the server's defaults. */
export type StrategyBody = Pick<FlagStrategy, 'name' | 'parameters' | 'variants'>

export class UnleashAdmin {
  readonly project: string
  readonly environment: string
  readonly url: string
  readonly #o: UnleashAdminSettings

  constructor(settings: UnleashAdminSettings) {
    this.#o = settings
    this.url = settings.url
    this.project = settings.project
    this.environment = settings.environment
  }

  /** Where people find the flag. */
  pageOf(flag: string): string {
    return `${this.url}/projects/${encodeURIComponent(this.project)}/features/${encodeURIComponent(flag)}`
  }

  /** Undefined: there is no such flag in the project. */
  async flag(name: string): Promise<StoredFlag | undefined> {
    const reply = await this.#ask('GET', this.#feature(name))
    if (reply.status === 404) return undefined
    const body = this.#good(reply, name) as {
      environments?: readonly { name: string; enabled: boolean; strategies?: readonly StoredStrategy[] }[]
      dependencies?: readonly unknown[]
    }
    const environments = body.environments ?? []
    const found = environments.find((each) => each.name === this.environment)
    if (found === undefined) {
      const there = environments.map((each) => each.name).join(', ')
      throw this.#notWritable(name, `has no environment "${this.environment}"; there are: ${there || 'none'}`)
    }
    return { enabled: found.enabled, strategies: found.strategies ?? [], dependencies: body.dependencies ?? [] }
  }

  async create(name: string): Promise<void> {
    const description = `cutover: which share of jobs of ${name} goes to the target queue`
    const path = `projects/${encodeURIComponent(this.project)}/features`
    this.#good(await this.#ask('POST', path, { name, type: 'release', description }), name)
  }

  async addStrategy(name: string, body: StrategyBody): Promise<void> {
    const whole = { ...body, constraints: [], segments: [], disabled: false }
    this.#good(await this.#ask('POST', `${this.#inEnvironment(name)}/strategies`, whole), name)
  }

  async replaceStrategy(name: string, stored: StoredStrategy, body: StrategyBody): Promise<void> {
    const { title, sortOrder } = stored
    const named = title === null ? {} : { title }
    const whole = { ...body, ...named, sortOrder, constraints: [], segments: [], disabled: false }
    const path = `${this.#inEnvironment(name)}/strategies/${encodeURIComponent(stored.id)}`
    this.#good(await this.#ask('PUT', path, whole), name)
  }

  async switch(name: string, on: boolean): Promise<void> {
    this.#good(await this.#ask('POST', `${this.#inEnvironment(name)}/${on ? 'on' : 'off'}`, {}), name)
  }

  /** The flag's last event, which is the revision that its last change has at clients: they have it, or a later one. */
  async revision(name: string): Promise<string> {
    const path = `search/events?feature=IS:${encodeURIComponent(name)}&limit=1`
    const body = this.#good(await this.#ask('GET', path), name) as { events?: readonly { id?: unknown }[] }
    const id = body.events?.[0]?.id
    if (typeof id !== 'number') {
      throw new CutoverError(
        'flag-unavailable',
        `${this.url} tells no event of the flag "${name}": its revision is not known`,
      )
    }
    return `#${id}`
  }

  /** Whether the token is one that the Admin API knows at all. */
  async probe(): Promise<void> {
    this.#good(await this.#ask('GET', `projects/${encodeURIComponent(this.project)}/overview`), undefined)
  }

  #feature(name: string): string {
    return `projects/${encodeURIComponent(this.project)}/features/${encodeURIComponent(name)}`
  }

  #inEnvironment(name: string): string {
    return `${this.#feature(name)}/environments/${encodeURIComponent(this.environment)}`
  }

  async #ask(method: 'GET' | 'POST' | 'PUT', path: string, body?: unknown): Promise<Reply> {
    const { url, timeoutMs, maxBytes } = this.#o
    const token = this.#o.token.read()
    try {
      const question = { url: `${url}/api/admin/${path}`, method, token, timeoutMs, maxBytes }
      return await ask(body === undefined ? question : { ...question, body })
    } catch (cause) {
      if (!(cause instanceof ChannelFault)) throw cause
      const unsure = method === 'GET' ? '' : '; whether it was written is not known: look with cutover flag get'
      throw new CutoverError('flag-unavailable', `${cause.message}${unsure}`, { cause })
    }
  }

  /** The body of a good answer; every other one as the error that says what to do. */
  #good(reply: Reply, flag: string | undefined): unknown {
    const { status, text } = reply
    const body = parse(text)
    if (status >= 200 && status < 300) {
      if (body === undefined && text !== '') throw this.#unusable(text)
      return body ?? {}
    }
    const said = this.#said(body, text)
    if (status === 401) {
      const message = `${this.url} does not know the admin token in ${this.#o.token.from} (401); writing takes a token for the Admin API, not a backend token`
      throw new CutoverError('flag-not-writable', message)
    }
    if (status === 403 && asksForRequests(body)) {
      throw this.#notWritable(
        flag,
        `wants change requests in "${this.environment}" (project "${this.project}"): make one in Unleash (${flag === undefined ? this.url : this.pageOf(flag)}), or use a token that may skip them`,
      )
    }
    if (status === 403) throw this.#notWritable(flag, `refuses the token in ${this.#o.token.from} (403): ${said}`)
    if (status >= 400 && status < 500) throw this.#notWritable(flag, `refuses it (${status}): ${said}`)
    throw new CutoverError('flag-unavailable', `${this.url} answers ${status}: ${said}`)
  }

  #said(body: unknown, text: string): string {
    const { message, details } = (typeof body === 'object' && body !== null ? body : {}) as {
      message?: unknown
      details?: readonly { message?: unknown }[]
    }
    const detail = Array.isArray(details) ? details[0]?.message : undefined
    const said = typeof detail === 'string' ? detail : typeof message === 'string' ? message : text.slice(0, 200)
    return scrub(said.slice(0, 500), this.#o.token.read())
  }

  #unusable(text: string): CutoverError {
    const start = JSON.stringify(scrub(text.slice(0, 40)))
    return new CutoverError('flag-unavailable', `${this.url} gave no JSON: ${start}; is this an Unleash server?`)
  }

  #notWritable(flag: string | undefined, why: string): CutoverError {
    const what = flag === undefined ? 'nothing can be written' : `the flag "${flag}" was not written`
    return new CutoverError('flag-not-writable', `${what}: ${this.url} ${why}`, {
      details: { ...(flag === undefined ? {} : { flag }), project: this.project, environment: this.environment },
    })
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** What a server says that takes changes of an environment only through a change request. */
function asksForRequests(body: unknown): boolean {
  const { permissions, message } = (typeof body === 'object' && body !== null ? body : {}) as {
    permissions?: unknown
    message?: unknown
  }
  if (Array.isArray(permissions) && permissions.includes('SKIP_CHANGE_REQUEST')) return true
  return typeof message === 'string' && /SKIP_CHANGE_REQUEST|change requests? (?:is|are) enabled/i.test(message)
}
