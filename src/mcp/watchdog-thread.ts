// The thread that watches a probe: it samples what the server starts, looks when the main thread stands still, frees it
// where it can, and kills all that the server has started when the probe ends.
//
// A child that was forked and has not reached exec keeps the whole main thread in a blocking read. Killing that child,
// which belongs to the probe, lets the read return: so a worker whose spawn is blocked is freed and never killed.

import { Session } from 'node:inspector'
import { parentPort, workerData } from 'node:worker_threads'
import { Crumbs } from './crumbs.ts'
import {
  currentCall,
  type Detail,
  describeCall,
  describeProcesses,
  forkedNotExecd,
  mainThreadWait,
} from './forensics.ts'
import { allProcs, HAS_PROC, type Proc } from './proc.ts'
import { killTree, ProcessTree } from './process-tree.ts'
import { type EndMessage, type Look, phaseAt, SLOT, type ThreadMessage, type WatchInput } from './watch-protocol.ts'

const TICK_MS = 50
/** Often at first, as what a server starts may leave it soon; the mark finds those that were not seen. */
const SAMPLE_FIRST_MS = 300
const SAMPLE_SLOW_MS = 250
/** After a phase's end the main thread has this long to notice by itself. */
const GRACE_MS = 150
/** An event loop that was silent for less is busy, and does not stand still. */
const STILL_MS = 1000
/** How long the main thread's stack is waited for; less when the probe has to end. */
const STACK_MS = 2500
const STACK_LEAST_MS = 500

const input = workerData as WatchInput
const shared = new Float64Array(input.shared)
const tree = new ProcessTree(input.mark)
const crumbs = new Crumbs(input.crumbs)
const looks: Look[] = []
const looked = new Set<number>()
const began = Date.now()
let sampledAt = 0
let busy = false

const slot = (name: keyof typeof SLOT): number => shared[SLOT[name]] ?? 0

async function tick(): Promise<void> {
  if (busy) return
  busy = true
  try {
    sample()
    await lookIfStill()
  } finally {
    busy = false
  }
}

function sample(): void {
  const now = Date.now()
  if (slot('pid') === 0 || now - sampledAt < (now - began < SAMPLE_FIRST_MS ? TICK_MS : SAMPLE_SLOW_MS)) return
  sampledAt = now
  tree.setRoot(slot('pid'))
  tree.sample()
}

async function lookIfStill(): Promise<void> {
  const now = Date.now()
  const index = slot('phase')
  const ends = Math.min(index < 0 ? Number.POSITIVE_INFINITY : slot('phaseEnds'), input.deadlineAt)
  const silentMs = now - slot('beat')
  if (looked.has(index) || now < ends + GRACE_MS || silentMs < STILL_MS) return
  looked.add(index)
  const phase = phaseAt(index) ?? 'none'
  const twin = phase === 'spawn' ? await twinOf(now - slot('phaseBegan')) : undefined
  const look = twin === undefined ? await lookAtLoop(phase, silentMs) : lookAtTwin(twin, silentMs)
  looks.push(look)
  for (const { what, lines } of look.details) crumbs.drop(what, lines)
  // what the probe has started is killed; the worker never is
  if (twin !== undefined) process.kill(twin.pid, 'SIGKILL')
  else if (slot('pid') !== 0) tree.signal('SIGKILL')
}

/** Seen twice: one that is just about to reach exec is not meant. */
async function twinOf(sinceMs: number): Promise<Proc | undefined> {
  const first = HAS_PROC ? forkedNotExecd(allProcs(), sinceMs) : undefined
  if (first === undefined) return undefined
  await new Promise((resolve) => setTimeout(resolve, TICK_MS))
  const second = forkedNotExecd(allProcs(), sinceMs + TICK_MS)
  return second?.pid === first.pid ? second : undefined
}

function lookAtTwin(twin: Proc, silentMs: number): Look {
  return {
    kind: 'spawn-blocked',
    phase: 'spawn',
    silentMs,
    inside: 'child_process.spawn',
    details: [
      mainThreadWait(),
      describeProcesses('the child: forked, the same program as its parent, exec not reached', [twin]),
    ],
  }
}

async function lookAtLoop(phase: Look['phase'], silentMs: number): Promise<Look> {
  const frames = await mainStack()
  const call = currentCall()
  const own = slot('pid')
  const children = allProcs().filter(({ ppid, pid }) => ppid === process.pid && pid !== own)
  const stack: Detail = {
    what: 'the main thread in JavaScript',
    lines: frames ?? ['no answer: it waits outside of JavaScript, in a synchronous call of the system'],
  }
  const inside = frames === undefined ? callOf(call) : ownFrame(frames)
  return {
    kind: 'loop-blocked',
    phase,
    silentMs,
    ...(inside === undefined ? {} : { inside }),
    details: [
      stack,
      mainThreadWait(),
      ...(frames === undefined ? [describeCall(call)] : []),
      ...(children.length === 0 ? [] : [describeProcesses('its children', children)]),
    ],
  }
}

function callOf(call: ReturnType<typeof currentCall>): string | undefined {
  return call === undefined || call.returned ? undefined : `${call.call}("${call.program}")`
}

function ownFrame(frames: readonly string[]): string | undefined {
  return frames.find((frame) => !frame.includes('(node:')) ?? frames[0]
}

/** The stack of a main thread that runs JavaScript or waits in it; undefined when it gives no answer. */
function mainStack(): Promise<readonly string[] | undefined> {
  return new Promise((resolve) => {
    const session = new Session()
    let over = false
    const done = (frames: readonly string[] | undefined): void => {
      over = true
      clearTimeout(timer)
      session.disconnect() // also takes back a pause that was not reached: a worker must not stop later
      resolve(frames)
    }
    const left = input.deadlineAt + STACK_LEAST_MS - Date.now()
    const timer = setTimeout(() => done(undefined), Math.max(STACK_LEAST_MS, Math.min(STACK_MS, left)))
    const urls = new Map<string, string>()
    session.on('Debugger.scriptParsed', ({ params: { scriptId, url } }) => urls.set(scriptId, url))
    session.on('Debugger.paused', ({ params }) => {
      if (over) return
      const frames = params.callFrames.slice(0, 20).map(({ functionName, location }) => {
        const { scriptId, lineNumber, columnNumber = 0 } = location
        const at = `${urls.get(scriptId) ?? '?'}:${lineNumber + 1}:${columnNumber + 1}`
        return `${functionName === '' ? '(anonymous)' : functionName} (${at})`
      })
      session.post('Debugger.resume')
      done(frames)
    })
    session.connectToMainThread()
    session.post('Debugger.enable')
    session.post('Debugger.pause')
  })
}

async function end(failed: boolean): Promise<void> {
  clearInterval(timer)
  if (slot('pid') !== 0) tree.setRoot(slot('pid'))
  const alive = tree.alive()
  const before = failed ? describeProcesses("the server's processes, before they were killed", alive) : undefined
  const { found, left } = await killTree(tree)
  crumbs.close()
  tell({ type: 'report', report: { looks, ...(before === undefined ? {} : { before }), found, left } })
  parentPort?.close()
}

function tell(message: ThreadMessage): void {
  parentPort?.postMessage(message)
}

const timer = setInterval(() => void tick(), TICK_MS)
parentPort?.on('message', (message: EndMessage) => void end(message.failed))
tell({ type: 'up' })
