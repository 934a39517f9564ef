// The processes of a soak: started, killed, stopped and started again.

import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import type { Role } from './child.ts'
import type { Place } from './world.ts'

interface Member {
  readonly role: Role
  child: ChildProcess | undefined
  /** A producer that has sent everything is not started again. */
  done: boolean
}

const STOP_MS = 12_000

export class Cast {
  readonly #place: Place
  readonly #members: Member[] = []
  #ending = false
  /** Deaths that were meant, and ends that were not. */
  kills = 0
  crashes = 0
  lastWords = ''

  constructor(place: Place, roles: readonly Role[]) {
    this.#place = place
    for (const role of roles) {
      const member: Member = { role, child: undefined, done: false }
      this.#members.push(member)
      this.#start(member)
    }
  }

  #start(member: Member): void {
    const script = join(import.meta.dirname, 'child.ts')
    const child = spawn(process.execPath, [script, JSON.stringify({ ...member.role, place: this.#place })], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    member.child = child
    child.stdout.on('data', (chunk: Buffer) => {
      if (chunk.toString().includes('all sent')) member.done = true
    })
    child.stderr.on('data', (chunk: Buffer) => {
      this.lastWords = (this.lastWords + chunk.toString()).slice(-2000)
    })
    child.once('exit', (code, signal) => {
      member.child = undefined
      if (this.#ending || (member.done && code === 0)) return
      if (signal === 'SIGKILL') this.kills += 1
      else this.crashes += 1
      setTimeout(() => {
        if (!this.#ending && !(member.done && member.role.role === 'producer')) this.#start(member)
      }, 200)
    })
  }

  get size(): number {
    return this.#members.length
  }

  get allSent(): boolean {
    return this.#members.every(({ role, done }) => role.role !== 'producer' || done)
  }

  /** Answers the process that was hit. */
  kill(at: number): number | undefined {
    const child = this.#members[at]?.child
    child?.kill('SIGKILL')
    return child?.pid
  }

  /** Stands still for a while; it may be killed meanwhile. */
  stall(at: number, ms: number): number | undefined {
    const child = this.#members[at]?.child
    child?.kill('SIGSTOP')
    setTimeout(() => child?.kill('SIGCONT'), ms)
    return child?.pid
  }

  async stop(): Promise<void> {
    this.#ending = true
    await Promise.all(
      this.#members.map(async ({ child }) => {
        if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
        const gone = new Promise((resolve) => child.once('exit', resolve))
        child.kill('SIGCONT')
        child.kill('SIGTERM')
        const late = setTimeout(() => child.kill('SIGKILL'), STOP_MS)
        await gone
        clearTimeout(late)
      }),
    )
  }
}
