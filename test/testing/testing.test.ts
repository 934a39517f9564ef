// The helpers for users' own tests do what a worker would do.

import { expect, it } from 'vitest'
import { type CutoverConfig, type } from '../../src/config/types.ts'
import type { JobContext } from '../../src/execution/context.ts'
import { compareHandlers, openTestCutover, runHandler, testFlags } from '../../src/testing/index.ts'

const store: unknown[] = []
async function parse(mail: { text: string }, ctx: JobContext): Promise<unknown> {
  const row = await ctx.effect(
    'store',
    { text: mail.text },
    ({ idempotencyKey }) => store.push(idempotencyKey),
    () => 0,
  )
  return { words: mail.text.split(' ').length, row, at: new Date(0) }
}

it('runs a handler under every arm', async () => {
  store.length = 0
  const primary = await runHandler({ handler: parse as never, payload: { text: 'a b' }, id: 'j' })
  expect(primary).toMatchObject({ ok: true, performed: true, result: { words: 2, row: 1, at: new Date(0) } })
  for (const arm of ['shadow', 'control'] as const) {
    const copy = await runHandler({ handler: parse as never, payload: { text: 'a b' }, arm })
    expect(copy).toMatchObject({ ok: true, performed: false, result: { row: 0 }, effects: [{ name: 'store' }] })
  }
  expect(store).toEqual(['test:j:store:1'])
})

it('a run that loses its job, one that takes too long, one that throws', async () => {
  store.length = 0
  const lost = await runHandler({ handler: parse as never, payload: { text: 'a' }, loseTheJob: true })
  expect(lost).toMatchObject({ ok: false, performed: false, error: { code: 'effect-refused' } })
  const slow = await runHandler({ handler: () => new Promise(() => {}), payload: 1, timeout: '20ms' })
  expect(slow).toMatchObject({ ok: false, error: { code: 'attempt-timeout' }, result: undefined })
  const bad = await runHandler({ handler: () => Promise.reject(new Error('no')), payload: 1 })
  expect(bad).toMatchObject({ ok: false, error: { message: 'no' } })
  expect(store).toEqual([])
})

it('compares two handlers without effects', async () => {
  store.length = 0
  const other = async (mail: { text: string }, ctx: JobContext): Promise<unknown> => ({
    ...((await parse(mail, ctx)) as object),
    words: 7,
  })
  const told = await compareHandlers({ legacy: parse as never, target: other as never, payload: { text: 'a b' } })
  expect(told).toMatchObject({
    class: 'mismatched',
    differences: [{ path: '/result/words', kind: 'value', legacy: 2, target: 7 }],
  })
  const same = await compareHandlers({
    ...{ legacy: parse as never, target: other as never, payload: { text: 'a b' } },
    compare: { ignore: ['/words'] },
  })
  expect(same.class).toBe('matched')
  expect(store).toEqual([])
})

it('flags in memory: off at first, nested as they rise, told of every change', () => {
  const flags = testFlags()
  const source = flags.create({ flags: [] })
  const routes = (): string[] =>
    Array.from({ length: 500 }, (_, n) => source.decide({ flag: 'f', key: `k${n}`, flagKind: 'string' }).route)
  expect(new Set(routes())).toEqual(new Set(['legacy']))
  let told = 0
  const stop = source.onChange(() => {
    told += 1
  })
  let before = new Set<number>()
  for (const target of [0.1, 0.4, 0.9, 1]) {
    const revision = source.revision()
    flags.set({ target, shadow: target / 2 })
    expect(source.revision()).not.toBe(revision)
    const now = new Set(routes().flatMap((route, n) => (route.startsWith('target') ? [n] : [])))
    expect([...before].filter((n) => !now.has(n))).toEqual([])
    expect(Math.abs(now.size / 500 - target)).toBeLessThan(0.08)
    before = now
  }
  expect(told).toBe(4)
  stop()
  flags.set({ target: 0, shadow: 0 })
  expect(told).toBe(4)
})

it('a whole cutover without a server, every job on one route', async () => {
  store.length = 0
  const nowhere = { kind: 'bullmq', capabilities: { backoff: true }, create: () => expect.unreachable() }
  const config = {
    ...{ ledger: nowhere, flags: nowhere },
    migrations: { mail: { payload: type(), legacy: nowhere, target: nowhere, shadow: 'effects-declared' } },
  } as unknown as CutoverConfig
  const { cutover, close } = await openTestCutover(config, { route: 'target-shadowed' })
  try {
    await cutover.work('mail', 'legacy', parse as never)
    await cutover.work('mail', 'target', parse as never)
    const { id, route, reason } = await cutover.enqueue('mail', { text: 'a b c' })
    expect({ route, reason }).toEqual({ route: 'target-shadowed', reason: 'forced' })
    expect(await cutover.result('mail', id)).toMatchObject({ words: 3 })
    await expect.poll(async () => (await cutover.get('mail', id))?.comparison).toBe('mismatched')
    expect(store).toEqual([`mail:${id}:store:1`])
  } finally {
    await close()
  }
})

const tool = (name: string, more: object = {}) => ({ name, server: 'files', readOnly: true, ...more })
async function counts(_job: unknown, ctx: JobContext): Promise<number> {
  return (await ctx.mcp.tools()).length
}

it('fake tools: listed, called, and part of the outcome', async () => {
  const uses = async (_job: unknown, ctx: JobContext): Promise<unknown> => {
    const tools = await ctx.mcp.tools({ server: 'files' })
    const { content } = await ctx.mcp.call('read', { path: '/a' })
    return [tools.map(({ name }) => name), content[0]?.text, ctx.mcp.degraded.map(({ server }) => server)]
  }
  const mcp = {
    tools: [tool('read', { call: ({ path }: { path?: string }) => `of ${path}` }), { name: 'other' }],
    degraded: [{ server: 'mail', class: 'crashed', why: 'It ended.' }],
  } as const
  const run = await runHandler({ handler: uses, payload: 1, mcp })
  expect(run.error).toBeUndefined()
  expect(run.result).toEqual([['read'], 'of /a', ['mail']])
  expect(run.mcp.map(({ server, tools, degraded }) => [server, tools, degraded])).toEqual([
    ['fake', 1, undefined],
    ['files', 1, undefined],
    ['mail', 0, 'crashed'],
  ])
})

it('a shadow calls what is read-only, and nothing else; a tool that throws; one that is not there', async () => {
  const calls = (name: string) => (_job: unknown, ctx: JobContext) => ctx.mcp.call(name)
  const broken = tool('broken', {
    call: () => {
      throw new Error('disk full')
    },
  })
  const mcp = { tools: [tool('read'), tool('write', { readOnly: false }), broken] }
  const codeOf = async (name: string, arm: 'primary' | 'shadow' = 'primary'): Promise<unknown> => {
    const { error } = await runHandler({ handler: calls(name), payload: 1, mcp, arm })
    return (error as { code?: string } | undefined)?.code
  }
  expect(await codeOf('read', 'shadow')).toBeUndefined()
  expect(await codeOf('write')).toBeUndefined()
  expect(await codeOf('write', 'shadow')).toBe('effect-refused')
  expect(await codeOf('broken')).toBe('mcp-call-failed')
  expect(await codeOf('nothing')).toBe('mcp-tool-unknown')
})

it('without servers ctx.mcp says so, and a run that does not ask has nothing of it', async () => {
  expect(await runHandler({ handler: counts, payload: 1 })).toMatchObject({ error: { code: 'mcp-not-configured' } })
  expect((await runHandler({ handler: () => 1, payload: 1 })).outcome).not.toHaveProperty('mcp')
})

it('two runs with different tools do not match', async () => {
  const handler = async (_job: unknown, ctx: JobContext): Promise<string> => {
    await ctx.mcp.tools()
    return 'done'
  }
  const mcp = { target: { tools: [tool('read'), tool('write')] }, legacy: { tools: [tool('read')] } }
  const both = { legacy: handler, target: handler, payload: 1 }
  expect((await compareHandlers({ ...both, mcp: { legacy: mcp.target, target: mcp.target } })).class).toBe('matched')
  expect(await compareHandlers({ ...both, mcp })).toMatchObject({
    class: 'mismatched',
    differences: [{ path: '/mcp/files', kind: 'tools', legacy: { tools: 1 }, target: { tools: 2, only: ['write'] } }],
  })
})
