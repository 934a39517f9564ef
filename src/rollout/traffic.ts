// How many jobs and keys had the last week? From the tallies; what an epoch counted as first of its key is a key.

import type { Snapshot } from '../ports/ledger.ts'
import { MEASURES } from '../ports/row-rules.ts'
import { SIDES } from '../vocabulary/job.ts'
import type { LintFacts } from './plan/lint.ts'

const DAY_MS = 86_400_000
const WEEK_MS = 7 * DAY_MS
/** What was counted for a shorter time says nothing of a week. */
const LEAST_MS = 3_600_000

export interface Traffic extends LintFacts {
  /** Over how much of the week was counted; jobs are scaled up to all of it. */
  readonly observedMs: number
}

/**
 * Undefined: too little was counted. Keys are those of the epoch that had most: a key counts anew in each epoch, so their
 * sum would be too many, and this may be too few. Without a key function a job is a key.
 */
export function weeklyTraffic({ buckets, now }: Snapshot, hasKey: boolean): Traffic | undefined {
  const recent = buckets.filter(({ start, widthMs }) => start + widthMs > now - WEEK_MS && start <= now)
  const since = recent.reduce((least, { start }) => Math.min(least, start), now)
  const observedMs = Math.min(WEEK_MS, now - since)
  if (observedMs < LEAST_MS) return undefined
  let jobs = 0
  const keys = new Map<number, number>()
  for (const { epoch, counts } of recent) {
    for (const side of SIDES) {
      const measure = MEASURES.dispatched(side)
      jobs += (counts[`job/${measure}`] ?? 0) + (counts[`excluded/${measure}`] ?? 0) + (counts[`late/${measure}`] ?? 0)
      keys.set(epoch, (keys.get(epoch) ?? 0) + (counts[`key/${measure}`] ?? 0))
    }
  }
  const jobsLastWeek = Math.round((jobs * WEEK_MS) / observedMs)
  return { observedMs, jobsLastWeek, keysLastWeek: hasKey ? Math.max(0, ...keys.values()) : jobsLastWeek }
}
