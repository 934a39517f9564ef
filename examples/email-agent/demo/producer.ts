// Sends the jobs of a run, as far as its parent lets it. It can be killed anywhere: the next one begins where this one
// was last heard of and sends a few jobs again, which are the same jobs, as their ids are.

import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { CutoverError, isCutoverError } from '../../../src/index.ts'
import type { EmailAgent } from '../application.ts'
import { type JobsOfRun, jobsOf } from './jobs.ts'
import { type FromChild, type Go, MIGRATIONS } from './messages.ts'

/** Jobs of each migration that are sent with one call. */
const BATCH = 20
const AGAIN_MS = 200
/** Nobody knows whether they were stored, or they were not: the same ids once more. */
const TRY_AGAIN = ['enqueue-unknown', 'enqueue-refused', 'ledger-unavailable', 'queue-unavailable'] as const

export interface ProduceOptions {
  readonly args: readonly string[]
  readonly signal: AbortSignal
  readonly tell: (message: FromChild) => void
}

export async function produce(agent: EmailAgent, { args, signal, tell }: ProduceOptions): Promise<void> {
  const jobs = jobsOf(jobsOfRun(args))
  const orders = new Orders(signal)
  tell({ kind: 'ready' })
  let position = await orders.start()
  while (position < jobs.length && !signal.aborted) {
    const upTo = Math.min(await orders.past(position), position + BATCH, jobs.length)
    if (signal.aborted) return
    const items = jobs.slice(position, upTo).map(({ id, email }) => ({ id, payload: email }))
    try {
      await Promise.all(MIGRATIONS.map((migration) => agent.enqueueMany(migration, items)))
    } catch (cause) {
      if (!TRY_AGAIN.some((code) => isCutoverError(cause, code))) throw cause
      console.error(cause)
      await delay(AGAIN_MS)
      continue
    }
    position = upTo
    tell({ kind: 'sent', position })
  }
}

/** What the parent has said last. */
class Orders {
  readonly #signal: AbortSignal
  #last: Go | undefined
  #heard: () => void = () => {}

  constructor(signal: AbortSignal) {
    this.#signal = signal
    process.on('message', (message: Go) => {
      this.#last = message
      this.#heard()
    })
    signal.addEventListener('abort', () => this.#heard())
  }

  /** Where to begin. */
  async start(): Promise<number> {
    await this.#until(() => this.#last !== undefined)
    return this.#last?.from ?? 0
  }

  /** How far to go, once that is further than `position`. */
  async past(position: number): Promise<number> {
    await this.#until(() => (this.#last?.upTo ?? 0) > position)
    return this.#last?.upTo ?? 0
  }

  async #until(known: () => boolean): Promise<void> {
    while (!known() && !this.#signal.aborted) {
      await new Promise<void>((resolve) => {
        this.#heard = resolve
      })
    }
  }
}

function jobsOfRun(args: readonly string[]): JobsOfRun {
  const text = { type: 'string' } as const
  const { values } = parseArgs({ args: [...args], options: { input: text, jobs: text, prefix: text } })
  const { input, jobs, prefix } = values
  if (input === undefined || jobs === undefined || prefix === undefined) {
    throw new CutoverError('usage', 'a producer needs --input DIR --jobs N --prefix TEXT')
  }
  return { input, jobs: Number(jobs), prefix }
}
