// Which job is this delivery? A job without a stamp was put there by old code: it is adopted as a primary of the side
// where it is found.

import type { Delivery } from '../ports/queue.ts'
import { openEnvelope } from '../vocabulary/envelope.ts'
import { adoptedId } from '../vocabulary/ids.ts'
import { ENVELOPE_VERSION, type Side, type Stamp } from '../vocabulary/job.ts'
import type { ProbeJob } from '../vocabulary/probe.ts'

export interface Identified {
  readonly kind: 'job'
  readonly stamp: Stamp
  readonly payload: unknown
  readonly adopted: boolean
}

export function identify(
  delivery: Delivery,
  here: { readonly side: Side; readonly epoch: number; readonly now: number },
):
  | Identified
  | { readonly kind: 'probe'; readonly probe: ProbeJob }
  | { readonly kind: 'newer' }
  | { readonly kind: 'damaged'; readonly why: string } {
  const opened = openEnvelope(delivery.data)
  if (opened.kind === 'probe') return opened
  if (opened.kind === 'newer') return { kind: 'newer' }
  if (opened.kind === 'damaged') return { kind: 'damaged', why: opened.why }
  if (opened.kind === 'stamped') return { kind: 'job', stamp: opened.stamp, payload: opened.payload, adopted: false }
  const stamp: Stamp = {
    v: ENVELOPE_VERSION,
    id: adoptedId(here.side, delivery.backendId, delivery.enqueuedAt),
    route: here.side,
    arm: 'primary',
    epoch: here.epoch,
    gen: 0,
    due: here.now,
    fenced: false,
  }
  return { kind: 'job', stamp, payload: opened.payload, adopted: true }
}
