// How the drain proof is shown.

import type { DrainProof, SideDrain } from '../backlog/drain.ts'
import { formatCount, plural } from '../report/format.ts'
import { formatDuration } from '../vocabulary/duration.ts'
import { SIDES } from '../vocabulary/job.ts'
import { foreign, type Pen } from './pen.ts'
import { iso } from './processes.ts'

export function drainJson({ producers, sides }: DrainProof): object {
  const side = ({ emptySince, ...rest }: SideDrain): object => {
    return { ...rest, emptySince: emptySince === undefined ? null : iso(emptySince) }
  }
  return { producers, legacy: side(sides.legacy), target: side(sides.target) }
}

/** One row a side, and one of what producers have under way. */
export function drainRows(proof: DrainProof, pen: Pen): string[][] {
  const rows = SIDES.map((side) => [`${side} queue`, sideText(proof.sides[side], proof.now, pen)])
  const behind = proof.producers.filter((producer) => producer.behind)
  const inFlight = proof.producers.reduce((sum, producer) => sum + producer.inFlight, 0)
  const late =
    behind.length === 0
      ? ''
      : `; have not seen the latch: ${behind.map(({ process }) => foreign(process, 60)).join(', ')}`
  return [
    ...rows,
    ['under way', `${plural(inFlight, 'enqueue')} of ${plural(proof.producers.length, 'producer')}${late}`],
  ]
}

function sideText(
  { queue, untold, left, emptySince, windowMs, drained, rows }: SideDrain,
  now: number,
  pen: Pen,
): string {
  if (queue === undefined) return pen.style('yellow', `not known: ${foreign(untold ?? '', 200)}`)
  const { waiting, delayed, running, parked, retrying, stalled } = queue
  const count = (n: number | undefined): string => (n === undefined ? '?' : formatCount(n))
  const unfinished = rows.waiting + rows.running + rows.moving
  const parts = [
    ...[`waiting ${count(waiting)}`, `delayed ${count(delayed)}`, `running ${count(running)}`],
    ...[`retrying ${count(retrying)}`, `stalled ${count(stalled)}`, `parked ${count(parked)}`],
    `not ended ${count(unfinished)}`,
  ]
  return `${parts.join('  ')}  ${stateText({ left, emptySince, windowMs, drained }, now, pen)}`
}

function stateText(
  {
    left,
    emptySince,
    windowMs,
    drained,
  }: Pick<SideDrain, 'left' | 'windowMs' | 'drained'> & { emptySince: number | undefined },
  now: number,
  pen: Pen,
): string {
  if (left.length > 0) return ''
  if (drained) return pen.style('green', 'drained')
  if (emptySince === undefined) return pen.style('dim', 'empty; cutover finish finds out for how long')
  const since = formatDuration(Math.max(0, now - emptySince))
  return pen.style('dim', `empty for ${since}, drained after ${formatDuration(windowMs)}`)
}
