// The shared SQLite file: group commit, works that throw, locks held by others, full disks, files that are no database.

import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openSqliteFile, type SqliteFile, type SqliteFileOptions } from '../../adapters/sqlite-file.ts'
import { CutoverError } from '../../src/vocabulary/errors.ts'

let folder: string
let path: string
let file: SqliteFile
const opened: SqliteFile[] = []

async function open(options: Partial<SqliteFileOptions> = {}): Promise<SqliteFile> {
  const next = await openSqliteFile({ path, ...options })
  opened.push(next)
  return next
}
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'cutover-file-'))
  path = join(folder, 'deep', 'er', 'file.db')
  file = await open({ lockWaitMs: 400 })
  await file.write((db) => db.exec('CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT)'))
})
afterEach(async () => {
  await Promise.all(opened.splice(0).map((each) => each.close()))
  rmSync(folder, { recursive: true, force: true })
})

const insert =
  (a: number, to: SqliteFile = file) =>
  (): Promise<number> =>
    to.write((db) => {
      db.sql('INSERT INTO t VALUES (?, ?)').run(a, 'x')
      return a
    })
const stored = (): Promise<number[]> =>
  file.read((db) =>
    db
      .sql('SELECT a FROM t ORDER BY a')
      .all()
      .map(({ a }) => Number(a)),
  )
const errorOf = (promise: Promise<unknown>): Promise<CutoverError> =>
  promise.then(
    () => {
      throw new Error('it should have failed')
    },
    (error: unknown) => {
      if (error instanceof CutoverError) return error
      throw error
    },
  )

/** Longest time in which the event loop did nothing else while `act` ran. */
async function longestBlock(act: () => Promise<unknown>): Promise<number> {
  let last = performance.now()
  let longest = 0
  const timer = setInterval(() => {
    longest = Math.max(longest, performance.now() - last - 1)
    last = performance.now()
  }, 1)
  await act().finally(() => clearInterval(timer))
  return longest
}

describe('group commit', () => {
  it('commits what one tick asks for at once, in order', async () => {
    const other = new DatabaseSync(path)
    const version = (): unknown => other.prepare('PRAGMA data_version').get()?.data_version
    const second = await open()
    const before = Number(version())
    const writes = Array.from({ length: 100 }, (_, n) => insert(n, n % 2 ? second : file)())
    expect(other.prepare('SELECT count(*) AS n FROM t').get()).toEqual({ n: 0 })
    expect(await Promise.all(writes)).toEqual(Array.from({ length: 100 }, (_, n) => n))
    expect(version()).toBe(before + 1)
    other.close()
  })

  it('does not hold the event loop for a long queue', async () => {
    const slow = (n: number) => (): Promise<void> =>
      file.write((db) => {
        db.sql('INSERT INTO t VALUES (?, ?)').run(n, 'x')
        const until = performance.now() + 2
        while (performance.now() < until);
      })
    let turns = 0
    const count = (): void => {
      turns += 1
      if (turns < 1000) setImmediate(count)
    }
    setImmediate(count)
    await Promise.all(Array.from({ length: 50 }, (_, n) => slow(n)()))
    expect(turns).toBeGreaterThan(8)
    expect(await stored()).toHaveLength(50)
  })

  it('lets the event loop turn while one call is awaited after the other', async () => {
    let turns = 0
    const timer = setInterval(() => {
      turns += 1
    }, 1)
    const until = performance.now() + 150
    for (let n = 0; performance.now() < until; n++) {
      await insert(n)()
      await stored()
    }
    clearInterval(timer)
    expect(turns).toBeGreaterThan(3)
  })

  it('undoes a work that throws, and it alone', async () => {
    const boom = new Error('boom')
    const results = await Promise.allSettled([
      insert(1)(),
      file.write((db) => {
        db.sql('INSERT INTO t VALUES (2, ?)').run('half')
        throw boom
      }),
      insert(3)(),
      insert(1)(),
      insert(4)(),
    ])
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'rejected', 'fulfilled'])
    expect(results[1]).toEqual({ status: 'rejected', reason: boom })
    expect(await stored()).toEqual([1, 3, 4])
  })
})

describe('a file that another process holds', () => {
  const hold = (): DatabaseSync => {
    const other = new DatabaseSync(path)
    other.exec('BEGIN IMMEDIATE')
    return other
  }

  it('is waited for without blocking the event loop', async () => {
    const blocks: number[] = []
    // a busy machine takes the processor away for longer than that now and then: the best of three counts
    for (const first of [1, 11, 21]) {
      const other = hold()
      let settled = false
      const writes = Promise.all([first, first + 1].map((n) => insert(n)())).finally(() => {
        settled = true
      })
      blocks.push(await longestBlock(() => new Promise((resolve) => setTimeout(resolve, 200))))
      expect(settled).toBe(false)
      expect(await stored()).not.toContain(first)
      other.exec('COMMIT')
      expect(await writes).toEqual([first, first + 1])
      other.close()
    }
    expect(Math.min(...blocks)).toBeLessThan(20)
  })

  it('is given up after the wait, with what to do', async () => {
    const other = hold()
    const error = await errorOf(insert(1)())
    expect(error.code).toBe('ledger-unavailable')
    expect(error.message).toContain(path)
    expect(error.message).toContain('locked by another process')
    other.exec('ROLLBACK')
    other.close()
    expect(await insert(2)()).toBe(2)
    expect(await stored()).toEqual([2])
  })
})

describe('a file that cannot be used', () => {
  it('tells of a full disk, stores nothing, and goes on when there is room', async () => {
    const limit = (pages: number): Promise<unknown> =>
      file.read((db) => db.sql(`PRAGMA max_page_count = ${pages}`).get())
    await limit(4)
    const large = (): Promise<unknown> =>
      file.write((db) => db.sql('INSERT INTO t VALUES (NULL, ?)').run('x'.repeat(100_000)))
    const [before, full] = [insert(1)(), errorOf(large())]
    expect((await errorOf(before)).code).toBe('ledger-full')
    expect(await full).toMatchObject({ code: 'ledger-full' })
    expect(await stored()).toEqual([])
    await limit(10_000)
    await large()
    expect(await stored()).toEqual([1])
  })

  it.each([
    ['a folder', () => folder],
    ['below a file', () => join(path, 'ledger.db')],
    ['a text', () => join(folder, 'text.db')],
  ])('is refused by name: %s', async (_name, where) => {
    writeFileSync(join(folder, 'text.db'), 'this is not a database, it is a text of some length'.repeat(100))
    const error = await errorOf(openSqliteFile({ path: where() }))
    expect(error.code).toBe('ledger-unavailable')
    expect(error.message).toContain(where())
  })

  it('is refused when it is damaged', async () => {
    await file.write((db) => {
      for (let n = 0; n < 200; n++) db.sql('INSERT INTO t VALUES (?, ?)').run(n, 'x'.repeat(500))
    })
    await file.close()
    const broken = join(folder, 'broken.db')
    copyFileSync(path, broken)
    const handle = new DatabaseSync(broken)
    handle.exec('PRAGMA journal_mode = DELETE')
    handle.close()
    const bytes = readFileSync(broken)
    bytes.fill(0xee, 4096, bytes.length)
    writeFileSync(broken, bytes)
    const damaged = await openSqliteFile({ path: broken })
    opened.push(damaged)
    const error = await errorOf(damaged.read((db) => db.sql('SELECT count(*), max(b) FROM t').get()))
    expect(error).toMatchObject({ code: 'ledger-unavailable' })
    expect(error.message).toContain('corrupt')
  })

  it('is noticed when it is removed under the connection', async () => {
    rmSync(path)
    await new Promise((resolve) => setTimeout(resolve, 1010))
    const error = await errorOf(insert(1)())
    expect(error.code).toBe('ledger-unavailable')
    expect(error.message).toContain('removed')
  })
})

describe('sharing', () => {
  it('is one connection a path, closed by the last one', async () => {
    const second = await open({ path: join(folder, 'deep', '.', 'er', 'file.db'), durability: 'full' })
    expect([file.durability, second.path]).toEqual(['full', file.path])
    await file.close()
    await expect(file.write(() => 1)).rejects.toMatchObject({ code: 'closed' })
    const last = insert(7, second)()
    await second.close()
    expect(await last).toBe(7)
    file = await open()
    expect(await stored()).toEqual([7])
    expect(file.durability).toBe('normal')
  })

  it('knows files that live in memory by name', async () => {
    const [a, b, c] = await Promise.all([':memory:', ':memory:', ':memory:two'].map((name) => open({ path: name })))
    await a?.write((db) => db.exec('CREATE TABLE only_here (a)'))
    const tables = (of: SqliteFile | undefined): Promise<number> | undefined =>
      of?.read((db) => db.sql('SELECT * FROM sqlite_schema').all().length)
    expect([await tables(b), await tables(c)]).toEqual([1, 0])
  })
})
