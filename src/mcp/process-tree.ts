// All that one server has started: sampled while it runs, killed as a group and one by one, and looked for again.
//
// A process is of the tree when it descends from the root, is in the root's group, was sampled before (pid and start
// time), or carries the tree's mark in its environment: so also one that was orphaned, or called `setsid`.

import { spawnSync } from 'node:child_process'
import { allProcs, hasMark, isAlive, type Proc } from './proc.ts'

/** The variable that marks what a server starts. */
export const MARK = 'CUTOVER_MCP'

export class ProcessTree {
  readonly #mark: string
  readonly #known = new Map<number, Proc>()
  #root: number | undefined

  /** `mark`: the value of `MARK` in the environment of the root. */
  constructor(mark: string, root?: number) {
    this.#mark = `${MARK}=${mark}`
    this.#root = root
  }

  setRoot(pid: number): void {
    this.#root = pid
  }

  /** Looks once: by descent and group, which is cheap. */
  sample(): void {
    if (this.#root !== undefined) this.#look(allProcs(), false)
  }

  /** Those alive now, found also by their mark. */
  alive(): readonly Proc[] {
    this.#look(allProcs(), true)
    return [...this.#known.values()].filter(isAlive)
  }

  /** Sends a signal to the group and to everything known. */
  signal(signal: NodeJS.Signals): void {
    if (process.platform === 'win32') {
      killOnWindows(this.#root)
      return
    }
    // the group only while its leader is still the one that was seen: numbers are used again
    const leader = this.#root === undefined ? undefined : this.#known.get(this.#root)
    if (leader !== undefined && leader.pgid === leader.pid && isAlive(leader)) send(-leader.pid, signal)
    for (const each of this.#known.values()) if (isAlive(each)) send(each.pid, signal)
  }

  #look(all: readonly Proc[], byMark: boolean): void {
    const now = new Map(all.map((each) => [each.pid, each]))
    const isKnown = (pid: number): boolean => {
      const seen = this.#known.get(pid)
      return seen !== undefined && now.get(pid)?.started === seen.started
    }
    const root = this.#rootOf(now)
    // parents may come after their children in the list
    for (let grown = true; grown; ) {
      grown = false
      for (const each of all) {
        if (each.pid === process.pid || isKnown(each.pid)) continue
        const related = each.pid === root || each.pgid === root || isKnown(each.ppid)
        if (!related && !(byMark && hasMark(each.pid, this.#mark))) continue
        this.#known.set(each.pid, each)
        grown = true
      }
    }
  }

  /** Undefined when its number belongs to another process by now. */
  #rootOf(now: ReadonlyMap<number, Proc>): number | undefined {
    const root = this.#root
    const [seen, there] = root === undefined ? [] : [this.#known.get(root), now.get(root)]
    return seen !== undefined && there !== undefined && seen.started !== there.started ? undefined : root
  }
}

/** Windows has no groups of this kind; it knows who started whom. */
function killOnWindows(root: number | undefined): void {
  if (root !== undefined) spawnSync('taskkill', ['/pid', String(root), '/t', '/f'], { stdio: 'ignore', timeout: 3000 })
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // gone meanwhile
  }
}

export interface Killed {
  /** Alive when it began. */
  readonly found: number
  /** Alive still: it could not be killed. */
  readonly left: number
}

const KILL_MS = 1500
const LOOK_FIRST_MS = 10
const LOOK_MOST_MS = 160

/** Kills all of it and looks until nothing is left, for at most `withinMs`. */
export async function killTree(tree: ProcessTree, withinMs = KILL_MS): Promise<Killed> {
  const found = tree.alive().length
  const until = performance.now() + withinMs
  let left = found
  for (let pause = LOOK_FIRST_MS; left > 0 && performance.now() < until; pause = Math.min(LOOK_MOST_MS, pause * 2)) {
    tree.signal('SIGKILL')
    await new Promise((resolve) => setTimeout(resolve, pause))
    left = tree.alive().length
  }
  return { found, left }
}
