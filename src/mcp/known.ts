// What do the probes say of a server before a worker tries it for its handlers? Pure.

import type { Side } from '../vocabulary/job.ts'
import type { ProbeFailure, StoredProbe } from '../vocabulary/probe.ts'
import { FAILURE_CLASSES } from './classes.ts'

/** Trying these again would stop the worker's event loop: only a probe that succeeds lifts them. */
const BLOCKING: readonly ProbeFailure[] = ['spawn-blocked', 'loop-blocked']

export function isBlocking(failure: ProbeFailure): boolean {
  return BLOCKING.includes(failure)
}

/** The last probe of a server inside a worker of a side. */
export interface Known {
  /** Of the round. */
  readonly id: string
  /** Undefined: it was reached. */
  readonly failure?: { readonly class: ProbeFailure; readonly why: string }
}

/** Undefined where none has ended. That no worker took a probe says nothing of the server. */
export function lastProbe(probes: readonly StoredProbe[], server: string, side: Side): Known | undefined {
  const last = probes.findLast(
    (each) =>
      each.server === server &&
      each.place === side &&
      each.class !== 'running' &&
      each.class !== 'worker-never-picked-up',
  )
  if (last === undefined) return undefined
  const { id, class: found, hang } = last
  if (found === 'ok' || found === 'running') return { id }
  return { id, failure: { class: found, why: hang?.sentence ?? `${FAILURE_CLASSES[found].meaning}.` } }
}
