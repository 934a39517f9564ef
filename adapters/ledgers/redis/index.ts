// The ledger in Redis: one store for many machines. Every operation is one Lua script a batch, on the server's clock.
//
// Keys: `PREFIX:{NAMESPACE}:schema` and `:migrations`, and `PREFIX:{NAMESPACE:MIGRATION}:…`, one hash tag a migration, so
// that its scripts run on one node of a cluster.

import {
  LEDGER_SCHEMA,
  type Ledger,
  type LedgerContext,
  type LedgerFact,
  type LedgerSettings,
  type LedgerSpec,
  type MigrationLedger,
} from '../../../src/ports/ledger.ts'
import { type Duration, parseDuration } from '../../../src/vocabulary/duration.ts'
import { CutoverError } from '../../../src/vocabulary/errors.ts'
import { placeOf } from '../../redis-place.ts'
import { Connection, type RedisClient } from './connection.ts'
import { auditLedger, controlLedger, presenceLedger } from './control-ledger.ts'
import { redisFacts } from './facts.ts'
import { pairLedger } from './pair-ledger.ts'
import { portOf, texts } from './port.ts'
import { probeLedger } from './probe-ledger.ts'
import { quietLedger } from './quiet-ledger.ts'
import { endScript, rowLedger } from './row-ledger.ts'
import { scheduleLedger } from './schedule-ledger.ts'
import { ROOT_SCRIPTS } from './scripts.ts'
import { tallyLedger } from './tally-ledger.ts'

export type { RedisClient } from './connection.ts'

export interface RedisLedgerOptions {
  /** `redis://` or `rediss://`; undefined without `connection` is refused at open. */
  readonly url?: string | undefined
  /** An ioredis client of yours, made when needed and not closed by the ledger. */
  readonly connection?: (() => RedisClient) | undefined
  /** In front of every key; default `cutover`. */
  readonly prefix?: string | undefined
  /** How long an operation is repeated while the connection is lost, before `ledger-unavailable`; default 5 s. */
  readonly timeout?: Duration | undefined
}

/** The ledger of a configuration; opens nothing by itself. */
export function redisLedger(options: RedisLedgerOptions): LedgerSpec {
  return { kind: 'redis', create: (context) => new RedisLedger(options, context) }
}

class RedisLedger implements Ledger {
  readonly kind = 'redis'
  readonly #options: RedisLedgerOptions
  readonly #namespace: string
  #connection: Connection | undefined
  readonly #handles = new Map<string, MigrationLedger>()
  readonly #registered = new Map<string, Promise<unknown>>()

  constructor(options: RedisLedgerOptions, { namespace }: LedgerContext) {
    this.#options = options
    this.#namespace = namespace
  }

  async open(): Promise<void> {
    if (this.#connection !== undefined) return
    const connection = await this.#connect()
    try {
      const stored = String(await connection.run(ROOT_SCRIPTS.open, this.#root(), [String(LEDGER_SCHEMA)]))
      const major = Number.parseInt(stored, 10)
      if (!(major <= LEDGER_SCHEMA)) {
        throw new CutoverError(
          'ledger-schema',
          `the ledger of namespace "${this.#namespace}" at ${connection.origin} has schema ${stored}, this version of cutover knows ${LEDGER_SCHEMA}: upgrade cutover`,
          { details: { stored, known: LEDGER_SCHEMA } },
        )
      }
    } catch (error) {
      await connection.close()
      throw error
    }
    this.#connection = connection
  }

  async #connect(): Promise<Connection> {
    const { url, connection, timeout } = this.#options
    const timeoutMs = parseDuration(timeout ?? '5s', 'redisLedger: timeout')
    if (connection !== undefined) {
      const client = connection()
      if (typeof client?.callBuffer === 'function') return Connection.over(client, timeoutMs)
      throw new CutoverError(
        'config-invalid',
        'redisLedger: `connection` must return an ioredis client (Redis or Cluster)',
        {
          details: { where: 'ledger.connection' },
        },
      )
    }
    if (typeof url === 'string' && url !== '') return Connection.to(url, timeoutMs)
    throw new CutoverError(
      'config-invalid',
      `redisLedger: \`url\` is ${url === '' ? 'empty' : String(url)} and there is no \`connection\`: give one of them (is the environment variable set?)`,
      { details: { where: 'ledger.url' } },
    )
  }

  #opened(): Connection {
    if (this.#connection === undefined) {
      throw new CutoverError('ledger-unavailable', 'the Redis ledger is not open: call open() first')
    }
    return this.#connection
  }

  #prefix(): string {
    return this.#options.prefix ?? 'cutover'
  }

  /** Encoded: a brace or a colon in a name would move the hash tag, or be another name's key. */
  #root(): string {
    return `${this.#prefix()}:{${encodeURIComponent(this.#namespace)}}:`
  }

  migration(name: string, settings: LedgerSettings): MigrationLedger {
    const connection = this.#opened()
    const { bucketMs, slackMs, deadlineMs, retainMs } = settings
    const which = JSON.stringify([name, bucketMs, slackMs, deadlineMs, retainMs])
    const known = this.#handles.get(which)
    if (known !== undefined) return known
    const key = `${this.#prefix()}:{${encodeURIComponent(this.#namespace)}:${encodeURIComponent(name)}}:`
    const port = portOf(connection, key, name, settings)
    const rows = rowLedger(port)
    const presence = presenceLedger(port)
    const scheduled = scheduleLedger(port)
    const handle: MigrationLedger = {
      migration: name,
      endScript: async () => {
        const place = await placeOf((command, ...args) => connection.command(command, ...args))
        return place === undefined ? undefined : endScript(port, place)
      },
      ...rows,
      pin: (requests) => this.#noted(name, () => rows.pin(requests)),
      note: (requests) => this.#noted(name, () => rows.note(requests)),
      claim: (requests) => this.#noted(name, () => rows.claim(requests)),
      ...pairLedger(port),
      ...tallyLedger(port),
      ...controlLedger(port),
      ...presence,
      // every second anew: a server that lost its memory learns of its migrations again
      beat: (beat) => {
        this.#registered.delete(name)
        return this.#noted(name, () => presence.beat(beat))
      },
      ...auditLedger(port),
      ...scheduled,
      ...quietLedger(port),
      declareSchedule: (request) => this.#noted(name, () => scheduled.declareSchedule(request)),
      ...probeLedger(port),
    }
    this.#handles.set(which, handle)
    return handle
  }

  /** Runs what leaves traces of a migration, after its name has been noted once. */
  #noted<T>(name: string, run: () => Promise<T>): Promise<T> {
    const noted = this.#registered.get(name)
    if (noted === undefined) {
      const noting = this.#opened().run(ROOT_SCRIPTS.register, this.#root(), [name])
      this.#registered.set(name, noting)
      noting.catch(() => this.#registered.delete(name))
      // sent on the same connection before it: no need to wait
      return Promise.all([noting, run()]).then(([, answer]) => answer)
    }
    return run()
  }

  async migrations(): Promise<readonly string[]> {
    return texts(await this.#opened().run(ROOT_SCRIPTS.migrations, this.#root(), [])).toSorted()
  }

  async ping(): Promise<{ now: number; roundTripMs: number }> {
    const before = performance.now()
    const now = Number(await this.#opened().run(ROOT_SCRIPTS.ping, this.#root(), []))
    return { now, roundTripMs: performance.now() - before }
  }

  async facts(): Promise<readonly LedgerFact[]> {
    return redisFacts(this.#opened())
  }

  async close(): Promise<void> {
    await this.#connection?.close()
  }
}
