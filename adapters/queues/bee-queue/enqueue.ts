// How do jobs get into bee-queue with one answer each? In one batch; only jobs that replace an ended one and met a record
// of their id are looked at once more, each in one atomic script.

import type { EnqueueAnswer, OutgoingJob } from '../../../src/ports/queue.ts'
import type { CutoverError } from '../../../src/vocabulary/errors.ts'
import { capabilityMissing } from '../../capability-missing.ts'
import { CALL_TIMEOUT_MS, isReply, payloadFault, refused, settles, unknownAnswer, within } from '../../queue-support.ts'
import { command, runScript } from '../../redis-script.ts'
import type { BeeConnection } from './connection.ts'
import { parkKey } from './keys.ts'
import { type BeeInstance, type BeeJob, KIND, reloadScripts } from './library.ts'
import { DROP_LATE, REPLACE } from './scripts.ts'

export const MAX_PAYLOAD_BYTES: number = 64 * 1024 * 1024

export async function send(connection: BeeConnection, jobs: readonly OutgoingJob[]): Promise<readonly EnqueueAnswer[]> {
  const answers: EnqueueAnswer[] = []
  const made = new Map<BeeJob, number>()
  for (const [index, job] of jobs.entries()) {
    const fault = faultOf(job)
    if (fault === undefined) made.set(outgoing(connection.instance, job), index)
    else answers[index] = refused(fault)
  }
  if (made.size === 0) return answers
  try {
    const saved = save(connection, [...made.keys()])
    // On the same connection and in the same write: it costs no waiting.
    const parked = parkedAmong(connection, jobs)
    const errors = await within(saved, CALL_TIMEOUT_MS, 'enqueue')
    for (const [job, index] of made) answers[index] = answerOf(job, errors.get(job))
    await replaceEnded(connection, jobs, answers, await parked)
  } catch (cause) {
    for (const index of made.values()) answers[index] ??= unknownAnswer(cause)
  }
  return answers
}

/** Once more for those that met a restarted server: their scripts were not run. */
async function save(connection: BeeConnection, jobs: BeeJob[]): Promise<Map<BeeJob, Error>> {
  const errors = await connection.instance.saveAll(jobs)
  const forgotten = jobs.filter((job) => errors.get(job)?.message.startsWith('NOSCRIPT'))
  if (forgotten.length === 0) return errors
  await reloadScripts(connection.Class, connection.instance)
  const again = await connection.instance.saveAll(forgotten)
  for (const job of forgotten) {
    const error = again.get(job)
    if (error === undefined) errors.delete(job)
    else errors.set(job, error)
  }
  return errors
}

/** Ended records of the jobs that ask for it make room: those that were in the way, and those in the park list. */
async function replaceEnded(
  connection: BeeConnection,
  jobs: readonly OutgoingJob[],
  answers: EnqueueAnswer[],
  parked: ReadonlySet<string>,
): Promise<void> {
  const late: string[] = []
  const replaced: Promise<unknown>[] = []
  for (const [index, job] of jobs.entries()) {
    if (job.replaceEnded !== true) continue
    const status = answers[index]?.status
    if (status === 'accepted' && parked.has(job.backendId)) late.push(job.backendId)
    if (status !== 'duplicate') continue
    const answered = replace(connection, job).then((answer) => {
      answers[index] = answer
    })
    replaced.push(answered)
  }
  // Their jobs are stored: a late copy that cannot be dropped now stays to be seen, and changes no answer.
  if (late.length > 0) {
    replaced.push(settles(runScript(connection.client, DROP_LATE, connection.keys, late), CALL_TIMEOUT_MS))
  }
  await Promise.all(replaced)
}

async function replace({ instance, client, keys }: BeeConnection, job: OutgoingJob): Promise<EnqueueAnswer> {
  const made = outgoing(instance, job) as BeeJob & { readonly options: { delay?: number }; toData(): string }
  const args = [job.backendId, made.toData(), String(made.options.delay ?? '')]
  try {
    const stored = await within(runScript(client, REPLACE, keys, args), CALL_TIMEOUT_MS, 'enqueue')
    return { status: stored === 1 ? 'accepted' : 'duplicate' }
  } catch (cause) {
    return isReply(cause) ? refused(cause) : unknownAnswer(cause)
  }
}

/** Which of the jobs that ask for it have a record in the park list; none where that cannot be told. */
async function parkedAmong(
  { client, keys }: BeeConnection,
  jobs: readonly OutgoingJob[],
): Promise<ReadonlySet<string>> {
  const ids = jobs.filter((job) => job.replaceEnded).map((job) => job.backendId)
  if (ids.length === 0) return new Set()
  const asked = command(client, 'hmget', parkKey(keys), ...ids)
  const found = (await within(asked, CALL_TIMEOUT_MS, KIND).catch(() => [])) as (string | null)[]
  return new Set(ids.filter((_, at) => typeof found[at] === 'string'))
}

/** Why this job cannot be stored, whatever the server says. */
export function faultOf(job: OutgoingJob): CutoverError | undefined {
  if ((job.priority ?? 0) !== 0)
    return capabilityMissing(KIND, 'priority', 'a queue of its own for urgent jobs, or BullMQ')
  return payloadFault(KIND, job.data, MAX_PAYLOAD_BYTES)
}

function outgoing(instance: BeeInstance, { backendId, data, delayMs, attempts, backoff }: OutgoingJob): BeeJob {
  const job = instance.createJob(data).setId(backendId)
  if (attempts > 1) job.retries(attempts - 1)
  if (backoff !== undefined)
    job.backoff(backoff.fixed === true ? 'fixed' : 'exponential', Math.max(1, Math.ceil(backoff.delayMs)))
  if (delayMs > 0) job.delayUntil(Date.now() + Math.ceil(delayMs))
  return job
}

function answerOf(job: BeeJob, error: Error | undefined): EnqueueAnswer {
  if (error !== undefined) return isReply(error) ? refused(error) : unknownAnswer(error)
  return job.id === null ? { status: 'duplicate' } : { status: 'accepted' }
}
