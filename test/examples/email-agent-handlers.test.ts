// Do the handlers have their effects once a key, leave a trace that can be counted, and does the count find faults?

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { checkLog } from '../../examples/email-agent/check-log.ts'
import { createHandlers, type Handlers, parseEmailLegacy, threadEmail } from '../../examples/email-agent/handlers.ts'
import { multiply, readEmails } from '../../examples/email-agent/input.ts'
import { MailStore, STORE_VARIABLE, type StoreEvent } from '../../examples/email-agent/store.ts'
import type {
  EmailJob,
  ParsedEmail,
  ParseEffects,
  ThreadEffects,
  ThreadPlace,
} from '../../examples/email-agent/types.ts'
import type { Handler } from '../../src/execution/context.ts'
import { testContext } from './email-agent-kit.ts'

const folder = new URL('../../examples/email-agent/emails', import.meta.url).pathname
const samples = readEmails(folder)
const question = samples.find(({ name }) => name === 'plain-question.eml') as EmailJob
const statement = samples.find(({ name }) => name === 'plain-statement.eml') as EmailJob

let home: string
let store: MailStore
let handlers: Handlers
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'email-agent-'))
  store = new MailStore(home)
  handlers = createHandlers(store)
})
afterEach(() => {
  store.close()
  rmSync(home, { recursive: true, force: true })
})

const check = (...ids: string[]) => checkLog(store.logPath, { migration: 'parse-email', ids })

test('they are handlers as cutover wants them', () => {
  const parse: Handler<EmailJob, ParsedEmail, ParseEffects> = parseEmailLegacy
  const thread: Handler<EmailJob, ThreadPlace, ThreadEffects> = threadEmail
  expect([parse, thread]).toHaveLength(2)
})

describe('effects', () => {
  test('a question is stored and answered, a statement stored', async () => {
    const asked = testContext<ParseEffects>('parse-email', { id: 'a' })
    const told = testContext<ParseEffects>('parse-email', { id: 'b', side: 'target' })
    expect((await handlers.parseEmailLegacy(question, asked)).needsReply).toBe(true)
    expect((await handlers.parseEmailTarget(statement, told)).needsReply).toBe(false)
    expect(asked.recorded).toEqual([
      { name: 'store', recorded: { messageId: '<q-2001@harbour.example>', folder: 'inbox', attachments: 0 } },
      { name: 'reply', recorded: { to: 'mira@harbour.example', inReplyTo: '<q-2001@harbour.example>' } },
    ])
    expect(told.recorded.map(({ name }) => name)).toEqual(['store'])
    expect(store.counts()).toEqual({ entries: 3, refused: 0 })
    const result = await check('a', 'b')
    expect(result).toMatchObject({ ok: true, stored: 3, refused: 0, completed: { legacy: 1, target: 1 } })
  })

  test('a second run is refused by its keys and is no second storing', async () => {
    await handlers.parseEmailLegacy(question, testContext('parse-email', { id: 'a' }))
    await handlers.parseEmailLegacy(question, testContext('parse-email', { id: 'a' }))
    expect(store.counts()).toEqual({ entries: 2, refused: 2 })
    expect(await check('a')).toMatchObject({ ok: true, stored: 2, refused: 2, ranAgain: ['a'], storedTwice: [] })
  })

  test('a shadow stores nothing and is no completion', async () => {
    await handlers.parseEmailTarget(question, testContext('parse-email', { id: 'a', arm: 'shadow', side: 'target' }))
    expect(store.counts().entries).toBe(0)
    expect(await check('a')).toMatchObject({ ok: false, neverCompleted: ['a'], shadowEffects: [] })
  })

  test('a run that was aborted begins no effect and says how it ended', async () => {
    const ctx = testContext<ParseEffects>('parse-email', { id: 'a', signal: AbortSignal.abort(new Error('over')) })
    await expect(handlers.parseEmailLegacy(question, ctx)).rejects.toThrow('over')
    expect(ctx.recorded).toEqual([])
    expect(await check('a')).toMatchObject({ failedRuns: 1, neverCompleted: ['a'], unfinishedRuns: 0 })
  })

  test('both migrations may use one id', async () => {
    await handlers.parseEmailLegacy(question, testContext('parse-email', { id: 'a' }))
    await handlers.threadEmail(question, testContext('thread-email', { id: 'a', side: 'target' }))
    expect(await check('a')).toMatchObject({ ok: true, stored: 2 })
    expect(await checkLog(store.logPath, { migration: 'thread-email', ids: ['a'] })).toMatchObject({
      ok: true,
      stored: 1,
    })
  })

  test('without a place for the store a handler says what to set', async () => {
    expect(process.env[STORE_VARIABLE]).toBeUndefined()
    expect(() => parseEmailLegacy(question, testContext('parse-email'))).toThrow(/EMAIL_AGENT_STORE is not set/)
  })
})

describe('the count finds', () => {
  const run = { migration: 'parse-email', id: 'a', arm: 'primary', side: 'legacy' } as const
  const stored: StoreEvent = { kind: 'effect', ...run, effect: 'store', key: 'parse-email:a:store:1', stored: true }
  const ended: StoreEvent = { kind: 'run-end', ...run, ok: true }

  test.each<[string, StoreEvent[], object]>([
    ['an effect that was stored twice', [stored, stored, ended], { storedTwice: ['parse-email:a:store:1'] }],
    ['an effect of one job under two keys', [stored, { ...stored, key: 'k' }, ended], { storedTwice: ['k'] }],
    ['effects on both sides', [stored, { ...stored, side: 'target', stored: false }, ended], { onBothSides: ['a'] }],
    ['an effect of a shadow', [stored, { ...stored, key: 'k', arm: 'shadow' }, ended], { shadowEffects: ['k'] }],
    ['an end without a stored e-mail', [ended], { completedUnstored: ['a'] }],
    ['a job that only began', [stored, { kind: 'run-start', ...run }], { neverCompleted: ['a'], unfinishedRuns: 2 }],
    ['a job that nobody sent', [stored, ended, { ...ended, id: 'b' }], { unexpected: ['b'] }],
  ])('%s', async (_, events, expected) => {
    store.record({ kind: 'run-start', ...run })
    for (const event of events) store.record(event)
    expect(await check('a')).toMatchObject({ ok: false, ...expected })
  })

  test('a line that was torn, and none where all is well', async () => {
    for (const event of [stored, ended]) store.record(event)
    expect((await check('a')).ok).toBe(true)
    appendFileSync(store.logPath, '{"at":"2026-\n')
    expect(await check('a')).toMatchObject({ ok: false, unreadable: 1 })
  })
})

test('a worker killed with SIGKILL in the middle, and the jobs run again: all done, nothing twice', async () => {
  const jobs = 400
  const ids = multiply(samples, { jobs }).map(({ id }) => id)
  const start = () =>
    spawn(process.execPath, [new URL('email-agent-worker.ts', import.meta.url).pathname, folder, String(jobs)], {
      env: { ...process.env, [STORE_VARIABLE]: home },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
  const first = start()
  let said = 0
  const reader = createInterface({ input: first.stdout })
  reader.on('line', () => {
    said += 1
    if (said === 100) first.kill('SIGKILL')
  })
  const [, signal] = await once(first, 'exit')
  expect(signal).toBe('SIGKILL')
  const half = await check(...ids)
  expect(half.ok).toBe(false)
  expect(half.neverCompleted.length).toBeGreaterThan(0)

  const second = start()
  second.stdout.resume()
  const [code] = await once(second, 'exit')
  expect(code).toBe(0)
  const whole = await check(...ids)
  expect(whole).toMatchObject({ ok: true, storedTwice: [], neverCompleted: [], onBothSides: [] })
  expect(whole.refused).toBeGreaterThanOrEqual(100)
  expect(whole.stored).toBeLessThanOrEqual(store.counts().entries)
  expect(store.counts().entries - whole.stored).toBeLessThanOrEqual(1) // killed between the entry and its line
})
