// Starts Redis servers of the tests' own on free ports of the loopback and stops them, also after a failure.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'

export interface RedisServer {
  readonly port: number
  readonly url: string
  readonly pid: number
  /** SIGKILL, and wait until it is gone. */
  kill(): Promise<void>
  /** Starts it again on the same port and folder (with `appendOnly` the data is there again). */
  restart(): Promise<void>
  stop(): Promise<void>
}

const running = new Set<ChildProcess>()
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/** True where `redis-server` can be started. In CI a missing server is a failure, not a skip. */
export function hasRedis(): boolean {
  const found = spawnSync('redis-server', ['--version'], { stdio: 'ignore' }).status === 0
  if (!found && process.env['CI'] === 'true')
    throw new Error('redis-server is missing in CI; `npm run setup` installs it')
  if (!found) process.stderr.write('redis-server is missing, its tests are skipped: run `npm run setup`\n')
  return found
}

export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

export async function startRedis(
  options: { appendOnly?: boolean; args?: readonly string[] } = {},
): Promise<RedisServer> {
  const folder = mkdtempSync(join(tmpdir(), 'cutover-redis-'))
  const port = await freePort()
  const args = [
    ...['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', ''],
    ...['--appendonly', options.appendOnly === true ? 'yes' : 'no', '--maxmemory-policy', 'noeviction'],
    ...(options.args ?? []),
  ]
  let child = await launch(args, port)
  const end = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const gone = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGKILL')
    await gone
    running.delete(child)
  }
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    get pid() {
      return child.pid ?? -1
    },
    kill: end,
    restart: async () => {
      await end()
      child = await launch(args, port)
    },
    stop: async () => {
      await end()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

async function launch(args: readonly string[], port: number): Promise<ChildProcess> {
  const child = spawn('redis-server', args, { stdio: ['ignore', 'pipe', 'pipe'] })
  running.add(child)
  let output = ''
  child.stdout?.on('data', (chunk: Buffer) => {
    output = (output + chunk.toString()).slice(-4000)
  })
  const probe = new Redis(port, '127.0.0.1', { retryStrategy: () => 20, maxRetriesPerRequest: null })
  probe.on('error', () => {})
  try {
    await Promise.race([
      probe.ping(),
      new Promise((_, reject) =>
        child.once('exit', (code) => reject(new Error(`redis-server ended with ${code}:\n${output}`))),
      ),
    ])
  } catch (error) {
    child.kill('SIGKILL')
    running.delete(child)
    throw error
  } finally {
    probe.disconnect()
  }
  return child
}
