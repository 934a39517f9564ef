// The embedded ledger: one SQLite file that the processes of one machine share.

import { statfsSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import type {
  Ledger,
  LedgerContext,
  LedgerFact,
  LedgerSettings,
  LedgerSpec,
  MigrationLedger,
} from '../../../src/ports/ledger.ts'
import { CutoverError } from '../../../src/vocabulary/errors.ts'
import { openSqliteFile, type SqliteDurability, type SqliteFile } from '../../sqlite-file.ts'
import { SqliteMigration } from './migration.ts'
import { prepareSchema } from './schema.ts'

export interface SqliteLedgerOptions {
  /** Default `.cutover/ledger.db`; on a local disk, never on a network share. */
  readonly path?: string
  /** `normal` (default) survives killed processes, `full` also a power loss, at a price in speed. */
  readonly durability?: SqliteDurability
}

export function sqliteLedger(options: SqliteLedgerOptions = {}): LedgerSpec {
  return { kind: 'sqlite', create: (context) => new SqliteLedger(options, context) }
}

const DISK_LOW_BYTES = 200 * 1024 * 1024

class SqliteLedger implements Ledger {
  readonly kind = 'sqlite'
  readonly #path: string
  readonly #durability: SqliteDurability
  readonly #namespace: string
  readonly #handles = new Map<string, MigrationLedger>()
  #file: SqliteFile | undefined

  constructor({ path = '.cutover/ledger.db', durability = 'normal' }: SqliteLedgerOptions, context: LedgerContext) {
    this.#path = path
    this.#durability = durability
    this.#namespace = context.namespace
  }

  get store(): string | undefined {
    return this.#file === undefined ? undefined : `sqlite:${this.#file.path}`
  }

  async open(): Promise<void> {
    if (this.#file !== undefined) return
    const file = await openSqliteFile({ path: this.#path, durability: this.#durability })
    try {
      await file.write((db) => prepareSchema(db, file.path))
    } catch (error) {
      await file.close()
      throw error
    }
    this.#file = file
  }

  migration(name: string, settings: LedgerSettings): MigrationLedger {
    const { bucketMs, slackMs, deadlineMs, retainMs } = settings
    const key = `${bucketMs} ${slackMs} ${deadlineMs} ${retainMs} ${name}`
    const known = this.#handles.get(key)
    if (known !== undefined) return known
    const namespace = this.#namespace
    const handle = new SqliteMigration({ namespace, name, settings, file: () => this.#opened() })
    this.#handles.set(key, handle)
    return handle
  }

  async migrations(): Promise<readonly string[]> {
    const find = 'SELECT name FROM ledger_migration WHERE namespace = ? ORDER BY name'
    const found = await this.#opened().read((db) => db.sql(find).all(this.#namespace))
    return found.map(({ name }) => String(name))
  }

  async ping(): Promise<{ now: number; roundTripMs: number }> {
    const start = performance.now()
    await this.#opened().read((db) => db.sql('SELECT 1').get())
    return { now: Date.now(), roundTripMs: performance.now() - start }
  }

  async facts(): Promise<readonly LedgerFact[]> {
    const file = this.#opened()
    const [version, mode, pages] = await file.read((db) =>
      [
        'SELECT sqlite_version() AS v',
        'PRAGMA journal_mode',
        'SELECT page_count * page_size AS v FROM pragma_page_count, pragma_page_size',
      ].map((text) => Object.values(db.sql(text).get() ?? {})[0]),
    )
    const full = file.durability === 'full'
    return [
      { name: 'file', value: file.path, status: 'ok' },
      { name: 'sqlite', value: String(version), status: 'ok' },
      {
        name: 'journal mode',
        value: String(mode),
        status: mode === 'wal' || file.path.startsWith(':memory:') ? 'ok' : 'bad',
        ...(mode === 'wal' ? {} : { advice: 'put the file on a local disk: shared memory is needed for WAL' }),
      },
      {
        name: 'durability',
        value: full ? 'full: survives a power loss' : 'normal: survives killed processes, not a power loss',
        status: 'ok',
        ...(full ? {} : { advice: "sqliteLedger({ durability: 'full' }) survives a power loss too" }),
      },
      { name: 'size', value: `${(Number(pages) / 1e6).toFixed(1)} MB`, status: 'ok' },
      ...diskFacts(file.path),
    ]
  }

  async close(): Promise<void> {
    const file = this.#file
    this.#file = undefined
    await file?.close()
  }

  #opened(): SqliteFile {
    if (this.#file !== undefined) return this.#file
    throw new CutoverError('closed', `${this.#path}: the ledger is not open; call open() first`)
  }
}

function diskFacts(path: string): LedgerFact[] {
  if (path.startsWith(':memory:')) return []
  const { bavail, bsize } = statfsSync(dirname(path))
  const free = bavail * bsize
  const low = free < DISK_LOW_BYTES
  const disk: LedgerFact = {
    name: 'free disk',
    value: `${Math.round(free / 1e6)} MB`,
    status: low ? 'warn' : 'ok',
    ...(low ? { advice: 'a full disk stops every enqueue that is fenced: free some space' } : {}),
  }
  const openToAll = (statSync(path).mode & 0o004) !== 0
  const readers: LedgerFact = openToAll
    ? {
        name: 'file mode',
        value: 'readable by all users',
        status: 'warn',
        advice: `results are stored unredacted until they are compared: chmod o-r ${path}`,
      }
    : { name: 'file mode', value: 'private', status: 'ok' }
  return [disk, readers]
}
