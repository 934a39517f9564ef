// What a flag server, or what stands between, can do wrong: each changes nothing but the health. And what may be
// configured. No server is needed: the answers are made here.

import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { tlsAdvice } from '../../adapters/flags/unleash/http.ts'
import { type UnleashFlagsOptions, unleashFlags } from '../../adapters/flags/unleash/index.ts'
import { encodeDials } from '../../adapters/unleash-engine.ts'
import { coversRevision, type FlagSource } from '../../src/ports/flags.ts'
import { until } from '../support/app.ts'
import { selfSigned } from '../support/certificate.ts'
import { type FlagProxy, startFlagProxy, type Tamper } from '../support/flag-proxy.ts'

const TOKEN = `default:development.${randomBytes(24).toString('hex')}`
const GOOD = answer(7, 1)
let server: FlagProxy
let folder: string
const open: FlagSource[] = []

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'cutover-channel-'))
  server = await startFlagProxy(undefined)
  server.tamper = says(GOOD)
})
afterEach(async () => {
  await Promise.all(open.splice(0).map((source) => source.close()))
  await server.stop()
  rmSync(folder, { recursive: true, force: true })
})

function answer(revisionId: number, target: number, features: readonly object[] = []): string {
  const flag = encodeDials('mail', { target, shadow: 0 })
  return JSON.stringify({ version: 2, features: [flag, ...features], meta: { revisionId } })
}

function says(text: string, headers: Record<string, string> = {}, status = 200): Tamper {
  return (_request, response) => {
    response.writeHead(status, headers)
    response.end(text)
  }
}

async function source(options: Partial<UnleashFlagsOptions> = {}): Promise<FlagSource> {
  const base = { url: server.url, token: TOKEN, poll: '100ms', timeout: '500ms', metrics: 'off' } as const
  const created = unleashFlags({ ...base, ...options }).create({ flags: ['mail'] })
  open.push(created)
  await created.ready()
  return created
}
const ask = (flags: FlagSource, key = 'k'): string => {
  const { route, reason } = flags.decide({ flag: 'mail', key, flagKind: 'string' })
  return `${route} ${reason}`
}

describe('an answer that is not good changes nothing but the health', () => {
  test.each<[string, Tamper, 'broken' | 'unreachable' | 'refused', RegExp]>([
    ['no JSON', says('<html>please log in</html>'), 'broken', /not JSON, it starts with "<html>/],
    ['half of an answer', says(GOOD.slice(0, 200)), 'broken', /not JSON/],
    ['nothing', says(''), 'broken', /the answer is empty/],
    ['JSON of another kind', says('{"items":[]}'), 'broken', /no list "features"/],
    ['a list', says('[]'), 'broken', /no list "features"/],
    ['a flag without a name', says('{"features":[{"enabled":true}]}'), 'broken', /features\[0\]: it has no name/],
    ['a flag that is not on or off', says('{"features":[{"name":"mail","enabled":"yes"}]}'), 'broken', /"enabled"/],
    [
      'strategies that are none',
      says('{"features":[{"name":"m","enabled":true,"strategies":7}]}'),
      'broken',
      /"strategies"/,
    ],
    ['an older revision', says(answer(6, 0)), 'broken', /revision 6 after 7/],
    ['an error', says('oops', {}, 500), 'unreachable', /answers 500/],
    ['no such page', says('', {}, 404), 'broken', /404.*is url the address/],
    ['a refusal', says('{}', {}, 401), 'refused', /does not know the token in unleashFlags.token \(401\)/],
    ['another refusal', says('{}', {}, 403), 'refused', /refuses the token.*\(403\)/],
    ['a cut connection', (request) => void request.socket.destroy(), 'unreachable', /cannot be reached/],
    ['silence', () => {}, 'unreachable', /has not answered within 500 ms/],
    [
      'half of an answer, then silence',
      (_request, response) => void response.write('{"features":['),
      'unreachable',
      /500 ms/,
    ],
    ['the token, thrown back', says(`no such token: ${TOKEN}`), 'broken', /not JSON/],
  ])('%s', async (_name, tamper, state, message) => {
    const flags = await source()
    expect(ask(flags)).toBe('target flag')
    server.tamper = tamper
    await until(() => flags.health().state === state, `health is ${state}`)
    expect(flags.health().message).toMatch(message)
    expect(flags.health().message).toContain('the last good values are kept')
    expect(JSON.stringify(flags.health())).not.toContain(TOKEN.slice(-20))
    expect(ask(flags)).toBe('target flag')
    expect(flags.revision()).toBe('#7')
    server.tamper = says(answer(8, 0))
    await until(() => ask(flags) === 'legacy flag', 'it is well again')
    expect(flags.health()).toMatchObject({ state: 'ok' })
  })

  test('30 MB: refused by their length, and where none is told as they come', async () => {
    const huge = answer(9, 0, [{ name: 'x'.repeat(30_000_000), enabled: false }])
    for (const headers of [{ 'content-length': String(huge.length) }, { 'transfer-encoding': 'chunked' }]) {
      server.tamper = says(GOOD)
      const flags = await source({ timeout: '5s' })
      server.tamper = says(huge, headers as Record<string, string>)
      await until(() => flags.health().state === 'broken', 'it is refused')
      expect(flags.health().message).toMatch(/more than 20 MB; .*maxAnswer/)
      expect(ask(flags)).toBe('target flag')
    }
    server.tamper = says(huge)
    const flags = await source({ timeout: '5s', maxAnswer: 40 })
    await until(() => ask(flags) === 'legacy flag', 'it is taken where that is wanted')
  })

  test('a redirect: told, not followed, and nobody else sees the token', async () => {
    const other = await startFlagProxy(undefined)
    try {
      other.tamper = says(answer(9, 0))
      for (const to of [`${other.url}/api/client/features?token=${TOKEN}`, '/somewhere']) {
        const flags = await source()
        server.tamper = says('', { location: to }, 302)
        await until(() => flags.health().state === 'broken', 'it is told')
        expect(flags.health().message).toMatch(/redirects to .*put it into url/)
        expect(flags.health().message).not.toContain(TOKEN.slice(-20))
        expect(ask(flags)).toBe('target flag')
        server.tamper = says(GOOD)
      }
      expect(other.asked).toEqual([])
    } finally {
      await other.stop()
    }
  })

  test('writing is held to the same: no redirect is followed, no endless answer is taken, and it is told', async () => {
    const other = await startFlagProxy(undefined)
    other.tamper = says('{}')
    const admin = { token: `*:*.${randomBytes(24).toString('hex')}` }
    try {
      const { writer } = await source({ admin, timeout: '5s' })
      server.tamper = says('', { location: `${other.url}/api/admin/projects` }, 307)
      const turn = (): Promise<unknown> => writer!.write('mail', { target: 0, shadow: 0 })
      await expect(turn()).rejects.toMatchObject({
        code: 'flag-unavailable',
        message: expect.stringMatching(/redirects/),
      })
      expect(other.asked).toEqual([])
      server.tamper = says(JSON.stringify({ name: 'x'.repeat(30_000_000) }))
      await expect(turn()).rejects.toThrow(/more than 20 MB/)
      server.tamper = says('<html>please log in</html>')
      await expect(turn()).rejects.toThrow(/gave no JSON/)
      expect(server.asked.filter(({ url }) => url.includes('/admin/')).map(({ body }) => body)).toEqual(['', '', ''])
    } finally {
      await other.stop()
    }
  })

  test('a certificate that nobody vouches for', async () => {
    const asked: string[] = []
    const tls = createServer(selfSigned(), (request, response) => {
      asked.push(String(request.headers.authorization))
      response.end(GOOD)
    })
    await new Promise<void>((resolve) => tls.listen(0, '127.0.0.1', resolve))
    try {
      const flags = await source({ url: `https://127.0.0.1:${(tls.address() as AddressInfo).port}` })
      expect(flags.health()).toMatchObject({ state: 'unreachable' })
      expect(flags.health().message).toMatch(/certificate.*NODE_EXTRA_CA_CERTS/i)
      expect(ask(flags)).toBe('legacy flag-error')
      expect(asked).toEqual([])
    } finally {
      tls.closeAllConnections()
      await new Promise((resolve) => tls.close(resolve))
    }
  })
})

describe('TLS', () => {
  test.each([
    ['DEPTH_ZERO_SELF_SIGNED_CERT self-signed certificate', /NODE_EXTRA_CA_CERTS/],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE unable to verify the first certificate', /NODE_EXTRA_CA_CERTS/],
    ['CERT_HAS_EXPIRED certificate has expired', /renew its certificate/],
    ["ERR_TLS_CERT_ALTNAME_INVALID Hostname/IP does not match certificate's altnames", /name that is in it/],
    ['ERR_SSL_WRONG_VERSION_NUMBER', /https that is spoken/],
    ['connect ECONNREFUSED 127.0.0.1:1', /^$/],
  ])('%s', (why, advice) => expect(tlsAdvice(why)).toMatch(advice))

  test('https to a server that speaks http: in one line, without the innards of OpenSSL', async () => {
    const flags = await source({ url: server.url.replace('http:', 'https:') })
    const { state, message = '' } = flags.health()
    expect(state).toBe('unreachable')
    expect(message).toMatch(
      /cannot be reached: \S+; is it https that is spoken there, or http\?; every job goes to legacy$/,
    )
    expect(message).not.toContain('\n')
  })
})

describe('the poll', () => {
  test('sends the ETag, and an unchanged answer is a good one', async () => {
    server.tamper = (request, response) => {
      if (request.headers['if-none-match'] === '"a:7:v1"') return void response.writeHead(304).end()
      response.writeHead(200, { etag: '"a:7:v1"' }).end(GOOD)
    }
    const flags = await source({ maxStale: '1s' })
    await until(() => server.asked.length > 12, 'it is asked again and again')
    expect(server.asked.slice(1).every(({ headers }) => headers['if-none-match'] === '"a:7:v1"')).toBe(true)
    expect(flags.health()).toMatchObject({ state: 'ok' })
    expect(ask(flags)).toBe('target flag')
    expect(server.asked[0]?.headers).toMatchObject({ authorization: TOKEN, 'unleash-appname': 'cutover' })
  })

  test('waits as long as it is told to', async () => {
    const flags = await source()
    server.tamper = says('', { 'retry-after': '60' }, 429)
    await until(() => flags.health().state === 'unreachable', 'it is told')
    const before = server.asked.length
    await new Promise((resolve) => setTimeout(resolve, 500))
    expect(server.asked.length).toBe(before)
  })

  test('a server without revisions: the values themselves are the revision', async () => {
    const bare = (target: number): string => JSON.stringify({ features: JSON.parse(answer(1, target)).features })
    server.tamper = says(bare(1))
    const flags = await source()
    const first = flags.revision()
    expect(first).toMatch(/^[0-9a-f]{12}$/)
    server.tamper = says(bare(0))
    await until(() => flags.revision() !== first, 'another revision')
    server.tamper = says(bare(1))
    await until(() => flags.revision() === first, 'the first again')
    expect(coversRevision(first, first)).toBe(true)
    expect(coversRevision('#8', '#7')).toBe(true)
    expect(coversRevision('#7', '#8')).toBe(false)
    expect(coversRevision(first, '#7')).toBe(false)
  })

  test('closing while a question fails or hangs is quick, also twice, and ends the process', async () => {
    server.tamper = () => {}
    const flags = await source({ timeout: '30s' })
    const began = performance.now()
    await Promise.all([flags.close(), flags.close()])
    expect(performance.now() - began).toBeLessThan(10_000)
    const before = server.asked.length
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect(server.asked.length).toBe(before)
  })
})

describe('decisions', () => {
  test('half a million keys, each with its exposure, leave nothing behind', async () => {
    const flags = await source({ metrics: '1h' })
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    const heapAfter = (from: number, to: number): number => {
      for (let n = from; n < to; n += 1) {
        flags.exposed?.('mail', flags.decide({ flag: 'mail', key: `key-${n}`, flagKind: 'string' }))
      }
      collect()
      return process.memoryUsage().heapUsed
    }
    const before = heapAfter(0, 50_000)
    expect(heapAfter(50_000, 500_000) - before).toBeLessThan(2_000_000)
  })
})

describe('tokens', () => {
  test('a missing one is named by where it was looked for', async () => {
    delete process.env['CUTOVER_TEST_TOKEN']
    const flags = await source({ token: { env: 'CUTOVER_TEST_TOKEN' } })
    expect(flags.health()).toMatchObject({ state: 'refused' })
    expect(flags.health().message).toMatch(/no Unleash token in the variable CUTOVER_TEST_TOKEN/)
    expect(server.asked).toEqual([])
    const file = join(folder, 'token')
    const other = await source({ token: { file } })
    expect(other.health().message).toContain(file)
    writeFileSync(file, `  ${TOKEN}\n`)
    await until(() => other.health().state === 'ok', 'the file is read again')
    expect(ask(other)).toBe('target flag')
  })

  test('one with a line break in it is not sent and not shown', async () => {
    const flags = await source({ token: `${TOKEN}\nx` })
    expect(flags.health()).toMatchObject({ state: 'refused' })
    expect(flags.health().message).not.toContain(TOKEN.slice(-20))
    expect(server.asked).toEqual([])
  })
})

describe('options', () => {
  test.each<[Record<string, unknown>, RegExp]>([
    [{ url: 'unleash.example.com' }, /url: must be an address/],
    [{ url: 'ftp://unleash.example.com' }, /url: must be an http or https address/],
    [{ url: 'https://user:pass@unleash.example.com' }, /url: must be an address alone/],
    [{ url: 'https://u.example.com/?token=x' }, /url: must be an address alone/],
    [{ token: 7 }, /token: must be a token, \{ env: 'NAME' \}/],
    [{ token: { env: '' } }, /token: must be a token/],
    [{ appName: '' }, /appName: must be a text/],
    [{ poll: '10ms' }, /poll: must be 100ms or more/],
    [{ poll: 'often' }, /poll/],
    [{ maxStale: '6s' }, /maxStale: must be at least twice as long as poll/],
    [{ maxAnswer: 0 }, /maxAnswer: must be a number of megabytes/],
    [{ bootstrap: '' }, /bootstrap: must be the path/],
    [{ context: { tenant: 7 } }, /context: must be an object of texts/],
    [{ admin: { tokn: 'x' } }, /admin.tokn: unknown option; allowed are token, project, environment/],
    [{ admin: { project: '' } }, /admin.project: must be a name/],
    [{ refresh: 5 }, /refresh: unknown option; allowed are url, token/],
  ])('%o is refused', (options, message) => {
    const call = (): unknown => unleashFlags({ url: 'https://u.example.com', ...options } as UnleashFlagsOptions)
    expect(call).toThrow(message)
    expect(call).toThrow(expect.objectContaining({ code: 'option-invalid' }))
  })

  test.each([
    ['http://127.0.0.1:1/', 'http://127.0.0.1:1'],
    ['http://127.0.0.1:1/api', 'http://127.0.0.1:1'],
    ['http://127.0.0.1:1/api/client/', 'http://127.0.0.1:1'],
    ['http://127.0.0.1:1/base/api', 'http://127.0.0.1:1/base'],
  ])('%s means %s', async (url, origin) => {
    const flags = unleashFlags({ url, token: TOKEN, poll: '1h', maxStale: '3h', timeout: '50ms' }).create({ flags: [] })
    expect(flags.origin).toBe(origin)
    await flags.close()
  })
})
