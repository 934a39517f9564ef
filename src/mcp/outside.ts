// A worker that gives no answer, looked at from outside: on the same machine by `/proc` and its breadcrumbs, elsewhere by
// its heartbeat alone. It is never killed; what its probe had started is, when the worker is gone.

import { hostname } from 'node:os'
import type { PresenceRecord } from '../ports/ledger.ts'
import type { ProbeRecord } from '../vocabulary/probe.ts'
import { Crumbs, crumbFile, readCrumbs } from './crumbs.ts'
import { currentCall, type Detail, describeCall, describeProcess, mainThreadWait } from './forensics.ts'
import { allProcs, hasMark, procOf, startOf } from './proc.ts'
import { killTree, MARK, ProcessTree } from './process-tree.ts'

/** Of a worker that took its probe and told no end. */
export function lookAtSilence(
  told: ProbeRecord,
  live: readonly PresenceRecord[],
): Pick<ProbeRecord, 'class' | 'hang' | 'by'> {
  const seen = judgeSilence(told, live)
  // a worker that stands still and goes on later tells by itself
  if (seen.class === 'worker-went-down') new Crumbs(crumbFile(told.id, told.server, told.place)).remove()
  return told.by === undefined ? seen : { ...seen, by: told.by }
}

function judgeSilence(told: ProbeRecord, live: readonly PresenceRecord[]): Pick<ProbeRecord, 'class' | 'hang'> {
  const { by, id, server, place } = told
  const here = by?.host === hostname()
  const worker = live.find(({ instance }) => instance === by?.instance)
  if (by === undefined || !here) {
    const where = by === undefined ? 'a worker' : `the worker with pid ${by.pid} on ${by.host}`
    const beat = worker === undefined ? '' : `; its last heartbeat was ${secondsSince(worker.at)} s ago`
    return {
      class: 'worker-went-down',
      hang: {
        sentence: `It was taken by ${where}, which told no end${beat}.`,
        details: [
          { what: 'where to look', lines: [`run cutover probe on ${by?.host ?? 'its machine'} to see into it`] },
        ],
      },
    }
  }
  const crumbs = readCrumbs(crumbFile(id, server, place))
  const notes: Detail[] = crumbs
    .filter(({ lines }) => lines !== undefined)
    .map(({ what, lines = [] }) => ({ what, lines }))
  const steps: Detail = { what: 'its breadcrumbs', lines: crumbs.slice(-12).map(({ what }) => what) }
  if (procOf(by.pid) === undefined) {
    return {
      class: 'worker-went-down',
      hang: {
        sentence: `The worker (pid ${by.pid}) took the probe and is gone${lastStep(crumbs)}.`,
        details: [...notes, steps],
      },
    }
  }
  return {
    class: 'loop-blocked',
    hang: {
      sentence: `The worker's event loop (pid ${by.pid}) stands still${lastStep(crumbs)}: it told no end and no time-out in it fired.`,
      details: [...notes, steps, ...lookAtWorker({ pid: by.pid, host: by.host })],
    },
  }
}

/** Whether a process on this machine that has sent no heartbeat is alive, and no other one with the same number. */
export function isStillThere({ pid, host, startedAt }: PresenceRecord): boolean {
  if (host !== hostname()) return false
  const since = startOf(pid)
  return since !== undefined && since <= startedAt + CLOCKS_MS
}

/** Of a worker that was silent before its probe came, and does not take it. */
export function standsStill(worker: PresenceRecord): Pick<ProbeRecord, 'class' | 'hang'> {
  const { pid, at } = worker
  const since = `its last heartbeat was ${secondsSince(at)} s ago`
  const sentence = `The worker's event loop (pid ${pid}) stands still: its process is there, ${since}, and it did not take the probe.`
  return { class: 'loop-blocked', hang: { sentence, details: lookAtWorker(worker) } }
}

/** The ledger's clock and this machine's may differ. */
const CLOCKS_MS = 60_000

function lastStep(crumbs: readonly { readonly what: string }[]): string {
  const last = crumbs.findLast(({ what }) => what.startsWith('begins '))
  return last === undefined ? '' : `, in phase ${last.what.slice('begins '.length)}`
}

function secondsSince(at: number): number {
  return Math.max(0, Math.round((Date.now() - at) / 1000))
}

/** A live worker, as far as it can be seen from here. */
export function lookAtWorker({ pid, host }: Pick<PresenceRecord, 'pid' | 'host'>): readonly Detail[] {
  if (host !== hostname()) return [{ what: `worker ${pid} on ${host}`, lines: ['is on another machine'] }]
  const proc = procOf(pid)
  if (proc === undefined) return [{ what: `worker ${pid}`, lines: ['is gone'] }]
  const children = allProcs().filter(({ ppid }) => ppid === pid)
  return [
    { what: `worker ${pid}`, lines: [describeProcess(proc), ...mainThreadWait(pid).lines] },
    ...(children.length === 0 ? [] : [{ what: 'its children', lines: children.slice(0, 10).map(describeProcess) }]),
    describeCall(currentCall(pid)),
  ]
}

/** Kills what a probe has started and left on this machine, but for the worker itself. */
export async function reap(mark: string): Promise<void> {
  if (allProcs().some(({ pid }) => hasMark(pid, `${MARK}=${mark}`))) await killTree(new ProcessTree(mark))
}
