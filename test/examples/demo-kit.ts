// Starts the demo as a user does, in a folder of the test's own, and reads what it left.

import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { onTestFinished, vi } from 'vitest'
import { checkLog, type LogCheck } from '../../examples/email-agent/check-log.ts'
import { withoutLastLineBreaks } from '../../examples/email-agent/compare.ts'
import { jobsOf } from '../../examples/email-agent/demo/jobs.ts'
import { MIGRATIONS } from '../../examples/email-agent/demo/messages.ts'
import { SAMPLES } from '../../examples/email-agent/demo/options.ts'
import { bytesOf, readEmails } from '../../examples/email-agent/input.ts'
import { parseLegacy } from '../../examples/email-agent/parse-legacy.ts'
import { parseTarget } from '../../examples/email-agent/parse-target.ts'
import type { ReportModel } from '../../src/index.ts'

const DEMO = resolve('examples/email-agent/demo.ts')

export interface Ended {
  readonly status: number | null
  readonly out: string
  readonly err: string
}

export type Role = 'producer' | 'legacy-worker' | 'target-worker'

export interface Demo {
  readonly folder: string
  readonly process: ChildProcess
  readonly ended: Promise<Ended>
  pids(): Record<Role, { pid: number; starts: number }>
  /** Resolves when handlers have begun this many runs. */
  runs(count: number): Promise<void>
  /** How often each job's e-mail was stored and run, from the handlers' log. */
  check(jobs: number): Promise<LogCheck[]>
  /** Jobs of `parse-email` that had a shadow, and those whose e-mail the two parsers read differently, found without cutover. */
  shadowed(jobs: number): Promise<{ all: number; differ: number }>
}

export function startDemo(args: readonly string[], env: NodeJS.ProcessEnv = {}): Demo {
  const folder = mkdtempSync(join(tmpdir(), 'cutover-demo-'))
  const child = spawn(process.execPath, [DEMO, '--work', folder, ...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const text = { out: '', err: '' }
  child.stdout.on('data', (chunk: Buffer) => (text.out += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (text.err += chunk.toString()))
  const ended = new Promise<Ended>((done) => child.once('close', (status) => done({ status, ...text })))
  onTestFinished(async () => {
    child.kill('SIGKILL') // its children end by themselves: they hear that it is gone
    await ended
    rmSync(folder, { recursive: true, force: true })
  })
  const log = join(folder, 'mail', 'events.log')
  const read = (path: string): string => (existsSync(path) ? readFileSync(path, 'utf8') : '')
  return {
    folder,
    process: child,
    ended,
    pids: () => JSON.parse(readFileSync(join(folder, 'pids.json'), 'utf8')).children,
    runs: (count) =>
      vi.waitFor(
        () => {
          if (child.exitCode !== null) throw new Error(`the demo has ended: ${text.err}`)
          if (read(log).split('"run-start"').length - 1 < count) throw new Error(`not ${count} runs yet: ${text.err}`)
        },
        { timeout: 30_000, interval: 20 },
      ),
    check: async (jobs) => {
      const ids = jobsOf({ input: SAMPLES, jobs, prefix: prefixIn(read(log)) }).map(({ id }) => id)
      return await Promise.all(MIGRATIONS.map((migration) => checkLog(log, { migration, ids })))
    },
    shadowed: async (jobs) => {
      const events: unknown[] = read(log)
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line))
      const shadow = { kind: 'run-start', migration: 'parse-email', arm: 'shadow' }
      const ids = new Set(events.filter((event): event is { id: string } => has(event, shadow)).map(({ id }) => id))
      const differing = await namesThatDiffer()
      const own = jobsOf({ input: SAMPLES, jobs, prefix: prefixIn(read(log)) }).filter(({ id }) => ids.has(id))
      return { all: ids.size, differ: own.filter(({ email }) => differing.has(email.name)).length }
    },
  }
}

/** The report on standard output, and nothing else. */
export function reportOf({ out, err, status }: Ended): ReportModel {
  if (status !== 0) throw new Error(`the demo ended with ${status}: ${err}`)
  return JSON.parse(out)
}

function prefixIn(log: string): string {
  return /"id":"(.*?)-\d{6}"/.exec(log)?.[1] ?? ''
}

function has(event: unknown, fields: Readonly<Record<string, unknown>>): boolean {
  return Object.entries(fields).every(([name, value]) => (event as Record<string, unknown>)[name] === value)
}

async function namesThatDiffer(): Promise<Set<string>> {
  const differ = new Set<string>()
  for (const email of readEmails(SAMPLES)) {
    const [legacy, target] = [await parseLegacy(bytesOf(email)), await parseTarget(bytesOf(email))]
    if (!isDeepStrictEqual(withoutLastLineBreaks(legacy), withoutLastLineBreaks(target))) differ.add(email.name)
  }
  return differ
}
