// Starts `doomed.ts` in a process of its own, hears what it says, and reads the diary that it keeps.

import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Place, until } from './app.ts'
import type { Doom } from './doomed.ts'

export interface Child {
  readonly pid: number
  said(text: string): Promise<string>
  /** The signal that ended it; rejects when it ended in an error. */
  readonly died: Promise<unknown>
  signal(name: NodeJS.Signals): void
}

/** The processes and the diary of one test. */
export class Doomed {
  readonly diary: string = mkdtempSync(join(tmpdir(), 'cutover-diary-'))
  readonly #place: Place
  readonly #children = new Set<ChildProcess>()

  constructor(place: Place) {
    this.#place = place
  }

  start(doom: Omit<Doom, 'place' | 'diary'>): Child {
    const script = new URL('./doomed.ts', import.meta.url).pathname
    const all: Doom = { ...doom, place: this.#place, diary: this.diary }
    const made = spawn(process.execPath, [script, JSON.stringify(all)], { stdio: ['ignore', 'pipe', 'pipe'] })
    this.#children.add(made)
    let out = ''
    let errors = ''
    made.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()))
    made.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()))
    const died = new Promise((resolve, reject) =>
      made.once('exit', (code, signal) =>
        signal === 'SIGKILL' || code === 0 ? resolve(signal) : reject(new Error(`ended with ${code}: ${errors}`)),
      ),
    )
    died.catch(() => {})
    return {
      pid: made.pid ?? 0,
      said: (text) => until(() => out.includes(text) && out, `it says ${text}; ${errors}`, 20_000),
      died,
      signal: (name) => made.kill(name),
    }
  }

  /** Lines of `runs` or `effects`. */
  lines(name: 'runs' | 'effects'): string[] {
    if (!readdirSync(this.diary).includes(name)) return []
    return readFileSync(join(this.diary, name), 'utf8').trim().split('\n')
  }

  /** Runs of one job's primary, as sides in order. */
  runsOf(id: string): string[] {
    return this.lines('runs')
      .map((line) => line.split(' '))
      .filter(([job, arm]) => job === id && arm === 'primary')
      .map(([, , side]) => side ?? '')
  }

  effectsOf(id: string): string[] {
    return this.lines('effects').filter((line) => line.includes(`:${id}:`))
  }

  /** Ends whatever is left, also what stands still. */
  async stop(): Promise<void> {
    for (const child of this.#children) {
      if (child.exitCode !== null || child.signalCode !== null) continue
      const gone = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGCONT')
      child.kill('SIGTERM')
      const killing = setTimeout(() => child.kill('SIGKILL'), 4000)
      await gone
      clearTimeout(killing)
    }
    this.#children.clear()
    rmSync(this.diary, { recursive: true, force: true })
  }
}
