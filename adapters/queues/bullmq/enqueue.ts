// How do jobs get into BullMQ with one exact answer each? BullMQ does not tell a duplicate, and its own bulk insert throws
// at the first error: so each chunk is a transaction of its own, in which every id is looked for before it is added.

import type { JobJson, JobsOptions } from 'bullmq'
import type { EnqueueAnswer, OutgoingJob } from '../../../src/ports/queue.ts'
import { CALL_TIMEOUT_MS, isReply, refused, unknownAnswer, within } from '../../queue-support.ts'
import type { BullConnection } from './connection.ts'
import { toJobId } from './scripts.ts'

/** The part of BullMQ's Redis backend that its flow producer uses too. */
interface Transaction {
  exists(key: string): unknown
  exec(): Promise<[error: Error | null, reply: unknown][] | null>
}
interface Adding {
  addJobToTransaction(transaction: Transaction, job: JobJson, jobId: string): Promise<unknown>
}
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
    const backend = queue.getBackend() as unknown as Adding
    const transaction = connection.wrapped.multi() as Transaction
    for (const [index, job] of jobs.entries()) {
      const jobId = toJobId(job.backendId)
      const made = new module.Job(queue, name, job.data, optionsOf(job, jobId), jobId) as unknown as Validated
      let json: JobJson
      try {
        json = made.asJSON()
        made.validateOptions(json)
      } catch (cause) {
        answers[index] = refused(cause)
        continue
      }
      transaction.exists(keyPrefix + jobId)
      // Put into the transaction at once; what it gives has no meaning before `exec`.
      backend.addJobToTransaction(transaction, json, jobId).catch(() => {})
      sent.push(index)
    }
    if (sent.length === 0) return answers
    const replies = await within(transaction.exec(), CALL_TIMEOUT_MS, 'enqueue')
    for (const [at, index] of sent.entries()) {
      const answer = answerOf(replies?.[2 * at], replies?.[2 * at + 1])
      answers[index] = answer ?? (await addAlone(connection, name, jobs[index]!))
    }
  } catch (cause) {
    // A server that refuses one command of a transaction runs none of them.
    const answer = isReply(cause) ? refused(rootOf(cause)) : unknownAnswer(cause)
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

/** Undefined: the server has forgotten BullMQ's scripts, which only a call outside of a transaction brings back. */
function answerOf(known: Reply, added: Reply): EnqueueAnswer | undefined {
  const error = known?.[0] ?? added?.[0]
  if (known === undefined || added === undefined) return unknownAnswer(new Error('no answer to the transaction'))
  if (error?.message.startsWith('NOSCRIPT')) return known[1] === 1 ? { status: 'duplicate' } : undefined
  if (error !== null && error !== undefined) return isReply(error) ? refused(error) : unknownAnswer(error)
  if (typeof added[1] === 'number' && added[1] < 0) return refused(new Error(`BullMQ answered ${added[1]}`))
  return known[1] === 1 ? { status: 'duplicate' } : { status: 'accepted' }
}

async function addAlone({ queue }: BullConnection, name: string, job: OutgoingJob): Promise<EnqueueAnswer> {
  try {
    await within(queue.add(name, job.data, optionsOf(job, toJobId(job.backendId))), CALL_TIMEOUT_MS, 'enqueue')
    return { status: 'accepted' }
  } catch (cause) {
    return isReply(cause) ? refused(cause) : unknownAnswer(cause)
  }
}

/** `EXECABORT` only says that something was refused before; this is what. */
function rootOf(error: Error): Error {
  const { previousErrors } = error as { previousErrors?: Error[] }
  return previousErrors?.[0] ?? error
}
