// How do jobs get into BullMQ with one answer each? BullMQ does not tell a duplicate, and its own bulk insert throws at
// the first error: so each chunk is a pipeline of its own that first asks which of its ids are there already.
//
// Asking and adding are two steps of one connection: two senders of one new id at the same moment may both be told
// `accepted`. It is one job all the same, and the ledger's pin lets only one of them get here.

import type { JobJson, JobsOptions } from 'bullmq'
import type { EnqueueAnswer, OutgoingJob } from '../../../src/ports/queue.ts'
import { CALL_TIMEOUT_MS, isReply, refused, unknownAnswer, within } from '../../queue-support.ts'
import type { BullConnection } from './connection.ts'
import { toJobId } from './scripts.ts'

/** The part of BullMQ's Redis backend that its flow producer uses too. */
interface Transaction {
  eval(script: string, keys: number, ...args: readonly string[]): unknown
  exec(): Promise<[error: Error | null, reply: unknown][] | null>
}
interface Adding {
  addJobToTransaction(transaction: Transaction, job: JobJson, jobId: string): Promise<unknown>
}
/** KEYS → one `1` (there) or `0` a key. */
const KNOWN = "local r = {} for i, k in ipairs(KEYS) do r[i] = redis.call('EXISTS', k) end return table.concat(r)"

interface Validated {
  asJSON(): JobJson
  validateOptions(job: JobJson): void
}

export async function send(
  connection: BullConnection,
  name: string,
  jobs: readonly OutgoingJob[],
): Promise<readonly EnqueueAnswer[]> {
  const { queue, module, keyPrefix } = connection
  const answers: EnqueueAnswer[] = []
  const sent: number[] = []
  try {
    const prepared: { readonly json: JobJson; readonly jobId: string }[] = []
    for (const [index, job] of jobs.entries()) {
      const jobId = toJobId(job.backendId)
      const made = new module.Job(queue, name, job.data, optionsOf(job, jobId), jobId) as unknown as Validated
      try {
        const json = made.asJSON()
        made.validateOptions(json)
        prepared.push({ json, jobId })
        sent.push(index)
      } catch (cause) {
        answers[index] = refused(cause)
      }
    }
    if (sent.length === 0) return answers
    const backend = queue.getBackend() as unknown as Adding
    const pipeline = connection.wrapped.pipeline() as Transaction
    pipeline.eval(KNOWN, prepared.length, ...prepared.map(({ jobId }) => keyPrefix + jobId))
    for (const { json, jobId } of prepared) {
      // Put into the pipeline at once; what it gives has no meaning before `exec`.
      backend.addJobToTransaction(pipeline, json, jobId).catch(() => {})
    }
    const replies = await within(pipeline.exec(), CALL_TIMEOUT_MS, 'enqueue')
    const known = String(replies?.[0]?.[1] ?? '')
    const seen = new Set<string>()
    for (const [at, index] of sent.entries()) {
      const { jobId } = prepared[at]!
      const answer = answerOf(known[at] === '1' || seen.has(jobId), replies?.[at + 1])
      seen.add(jobId)
      answers[index] = answer ?? (await addAlone(connection, name, jobs[index]!))
    }
  } catch (cause) {
    const answer = unknownAnswer(cause)
    for (const index of sent) answers[index] = answer
  }
  return answers
}

function optionsOf(job: OutgoingJob, jobId: string): JobsOptions {
  const options: JobsOptions = { jobId, attempts: job.attempts, removeOnComplete: true }
  if (job.delayMs > 0) options.delay = Math.ceil(job.delayMs)
  if (job.priority !== undefined && job.priority > 0) options.priority = job.priority
  if (job.backoff !== undefined) options.backoff = { type: 'exponential', delay: Math.ceil(job.backoff.delayMs) }
  return options
}

type Reply = readonly [error: Error | null, reply: unknown] | undefined

/** Undefined: the server has forgotten BullMQ's scripts, which only a call outside of a pipeline brings back. */
function answerOf(known: boolean, added: Reply): EnqueueAnswer | undefined {
  if (added === undefined) return unknownAnswer(new Error('no answer to the pipeline'))
  const [error, reply] = added
  if (error?.message.startsWith('NOSCRIPT')) return known ? { status: 'duplicate' } : undefined
  if (error !== null) return isReply(error) ? refused(error) : unknownAnswer(error)
  if (typeof reply === 'number' && reply < 0) return refused(new Error(`BullMQ answered ${reply}`))
  return known ? { status: 'duplicate' } : { status: 'accepted' }
}

async function addAlone({ queue }: BullConnection, name: string, job: OutgoingJob): Promise<EnqueueAnswer> {
  try {
    await within(queue.add(name, job.data, optionsOf(job, toJobId(job.backendId))), CALL_TIMEOUT_MS, 'enqueue')
    return { status: 'accepted' }
  } catch (cause) {
    return isReply(cause) ? refused(cause) : unknownAnswer(cause)
  }
}
