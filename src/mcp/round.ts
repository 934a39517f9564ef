// One round of probes of one server: a plain process, then a worker of each side, one after the other, each with the
// deadline here; so that a worker that never takes its probe, or goes down with it, is told as well.

import type { MigrationLedger, PresenceRecord } from '../ports/ledger.ts'
import type { Queue, QueuePlace } from '../ports/queue.ts'
import { makeProbeEnvelope } from '../vocabulary/envelope.ts'
import { newToken } from '../vocabulary/ids.ts'
import { SIDES, type Side } from '../vocabulary/job.ts'
import type { ProbePlace, ProbeRecord } from '../vocabulary/probe.ts'
import { probeBaseline } from './baseline.ts'
import type { McpServerSettings } from './config.ts'
import { isStillThere, lookAtSilence, lookAtWorker, reap, standsStill } from './outside.ts'
import { notTried } from './worker-probe.ts'

export interface RoundOptions {
  /** The same for all servers of a round. */
  readonly id: string
  readonly server: McpServerSettings
  readonly deadlineMs: number
  readonly ledger: MigrationLedger
  readonly queue: (side: Side) => Promise<Queue>
  /** Default: all. */
  readonly places?: readonly ProbePlace[]
  readonly onResult?: (record: ProbeRecord) => void
  /** Breaks off: what was not found by then is not told. */
  readonly signal?: AbortSignal
}

/** A worker that took its probe has this long after the deadline to kill and to tell. */
const TELL_MS = 1800
const LOOK_MS = 50

/** What was found, place by place; kept in the ledger as well. */
export async function probeRound(options: RoundOptions): Promise<readonly ProbeRecord[]> {
  const { id, server, deadlineMs, ledger, places = ['baseline', ...SIDES], onResult, signal } = options
  const records: ProbeRecord[] = []
  const isStopped = (): boolean => signal?.aborted === true
  for (const place of places) {
    if (isStopped()) break
    const record =
      place === 'baseline' ? await probeBaseline(server, id, deadlineMs, signal) : await probeWorker(place, options)
    // of what was broken off nothing can be said
    if (record === undefined || isStopped()) break
    // workers tell by themselves; that nobody works on a side says nothing of the server and is not kept
    if (place === 'baseline') await ledger.noteProbe(record)
    records.push(record)
    onResult?.(record)
  }
  return records
}

async function probeWorker(side: Side, options: RoundOptions): Promise<ProbeRecord | undefined> {
  const { id, server, deadlineMs, ledger } = options
  const began = performance.now()
  const base = { id, server: server.name, place: side, ms: 0, phases: [] } as const
  const workers = (await ledger.presence()).filter(({ works }) => works[side] !== undefined)
  // one that closed in order works on nothing; one that fell silent and is there may go on, or stands still
  const live = workers.filter((worker) => !worker.gone || isStillThere(worker))
  if (live.length === 0) return { ...base, ...notTried('worker-never-picked-up', `no worker of ${side} is there`) }
  const queue = await options.queue(side)
  const { now } = await ledger.control()
  const backendId = `p-${id}-${newToken()}`
  const data = makeProbeEnvelope({ id, server: server.name, expiresAt: now + deadlineMs })
  const [sent] = await queue.enqueue([{ backendId, data, delayMs: 0, attempts: 1 }])
  if (sent?.status !== 'accepted') {
    const why = sent !== undefined && 'cause' in sent ? String(sent.cause) : (sent?.status ?? 'no answer')
    return { ...base, ...notTried('worker-never-picked-up', `its queue did not take the probe: ${why}`) }
  }
  const told = await waitFor(options, side, began + deadlineMs + TELL_MS)
  if (told !== undefined && told.class !== 'running') return told
  if (options.signal?.aborted === true) {
    await takeBack(queue, backendId)
    return undefined
  }
  const elapsed = { ms: Math.round(performance.now() - began) }
  const record =
    told === undefined
      ? { ...base, ...elapsed, ...(await neverTaken(queue, backendId, { side, live })) }
      : { ...base, ...elapsed, ...lookAtSilence(told, live) }
  await reap(`${id}-${server.name}-${side}`)
  await ledger.noteProbe(record)
  return record
}

/** The worker's word: its end, that it runs, or nothing. */
async function waitFor({ id, server, ledger, signal }: RoundOptions, side: Side, until: number) {
  for (;;) {
    const found = (await ledger.probes()).find(
      (each) => each.id === id && each.server === server.name && each.place === side,
    )
    const over = performance.now() >= until || signal?.aborted === true
    if ((found !== undefined && found.class !== 'running') || over) return found
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
  }
}

async function takeBack(queue: Queue, backendId: string): Promise<QueuePlace> {
  const { place } = await queue.find(backendId)
  if (place === 'parked') await queue.dropParked([backendId])
  else if (queue.capabilities.remove) await queue.remove([backendId])
  return place
}

/** Takes the probe back where that can be, so that nobody begins it later, and says what stood before it. */
async function neverTaken(
  queue: Queue,
  backendId: string,
  { side, live }: { readonly side: Side; readonly live: readonly PresenceRecord[] },
): Promise<Pick<ProbeRecord, 'class' | 'hang'>> {
  const place = await takeBack(queue, backendId)
  const { waiting, running } = await queue.counts()
  const silent = live.find((worker) => worker.gone)
  if (silent !== undefined && live.every(({ gone }) => gone)) return standsStill(silent)
  const there = `${live.length} live worker${live.length === 1 ? '' : 's'} of ${side}`
  const sentence = `No worker took the probe before its deadline, though there is ${there}.`
  const looked = live.slice(0, 3).map((worker) => lookAtWorker(worker))
  return {
    class: 'worker-never-picked-up',
    hang: {
      sentence,
      details: [
        {
          what: 'the probe',
          lines: [`is ${place === 'running' ? 'with a worker' : place} in ${queue.kind} "${queue.name}"`],
        },
        { what: 'the queue', lines: [`${waiting} waiting, ${running} running`] },
        ...looked.flat(),
      ],
    },
  }
}
