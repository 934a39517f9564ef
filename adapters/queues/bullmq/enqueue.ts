// How do jobs get into BullMQ with one exact answer each? BullMQ does not tell a duplicate, and its own bulk insert throws
// at the first error: so each chunk is a transaction of its own that first asks which of its ids are there already. Of
// several senders of one new id one is told `accepted`.
//
// Only an id that was there already is looked at once more, for jobs that replace an ended one: its record goes and the
// job comes in another transaction.

import type { JobJson, JobsOptions } from 'bullmq'
import type { EnqueueAnswer, OutgoingJob } from '../../../src/ports/queue.ts'
import { CALL_TIMEOUT_MS, isReply, refused, settles, unknownAnswer, within } from '../../queue-support.ts'
import { runScript } from '../../redis-script.ts'
import type { BullConnection } from './connection.ts'
import { toJobId } from './keys.ts'
import { DROP_ENDED, DROP_LATE } from './scripts.ts'

/** The part of BullMQ's Redis backend that its flow producer uses too. */
interface Transaction {
  eval(script: string, keys: number, ...args: readonly string[]): unknown
  exec(): Promise<[error: Error | null, reply: unknown][] | null>
}
interface Adding {
  addJobToTransaction(transaction: Transaction, job: JobJson, jobId: string): Promise<unknown>
}
/** The park list, job keys → a digit a job: `1` there, `2` only parked, `0` neither. Short: it is sent with each chunk. */
const KNOWN = `local r, p, any = {}, KEYS[1], redis.call('HLEN', KEYS[1]) > 0
for i = 2, #KEYS do r[i - 1] = redis.call('EXISTS', KEYS[i])
if any and r[i - 1] == 0 and redis.call('HEXISTS', p, string.sub(KEYS[i], #p - 13)) == 1 then r[i - 1] = 2 end end
return table.concat(r)`

interface PreparedJob {
  readonly json: JobJson
  readonly jobId: string
}

/** One whose id was there already. */
interface Known extends PreparedJob {
  readonly index: number
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
  const { queue, module, client, keys, keyPrefix } = connection
  const answers: EnqueueAnswer[] = []
  const sent: number[] = []
  try {
    const prepared: PreparedJob[] = []
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
    const transaction = connection.wrapped.multi() as Transaction
    transaction.eval(
      KNOWN,
      prepared.length + 1,
      connection.keys.at(-2)!,
      ...prepared.map(({ jobId }) => keyPrefix + jobId),
    )
    for (const { json, jobId } of prepared) {
      // Put into the transaction at once; what it gives has no meaning before `exec`.
      backend.addJobToTransaction(transaction, json, jobId).catch(() => {})
    }
    const replies = await within(transaction.exec(), CALL_TIMEOUT_MS, 'enqueue')
    const known = String(replies?.[0]?.[1] ?? '')
    const seen = new Set<string>()
    const met: Known[] = []
    const late: string[] = []
    for (const [at, index] of sent.entries()) {
      const { jobId } = prepared[at]!
      const answer = answerOf(known[at] === '1' || seen.has(jobId), replies?.[at + 1])
      seen.add(jobId)
      answers[index] = answer ?? (await addAlone(connection, name, jobs[index]!))
      if (jobs[index]?.replaceEnded !== true) continue
      if (answers[index].status === 'duplicate') met.push({ ...prepared[at]!, index })
      else if (known[at] === '2' && answers[index].status === 'accepted') late.push(jobId)
    }
    // The jobs are stored: a late copy that cannot be dropped now stays to be seen, and changes no answer.
    if (late.length > 0) await settles(runScript(client, DROP_LATE, keys, [keyPrefix, ...late]), CALL_TIMEOUT_MS)
    if (met.length > 0) await replaceEnded(connection, name, jobs, met, answers)
  } catch (cause) {
    // A server that refuses one command of a transaction runs none of them.
    const answer = isReply(cause) ? refused(rootOf(cause)) : unknownAnswer(cause)
    for (const index of sent) answers[index] = answer
  }
  return answers
}

/** For ids that were there: each one's ended record makes room and its job comes, in one step. */
async function replaceEnded(
  connection: BullConnection,
  name: string,
  jobs: readonly OutgoingJob[],
  met: readonly Known[],
  answers: EnqueueAnswer[],
): Promise<void> {
  const { queue, keys, keyPrefix, wrapped } = connection
  const backend = queue.getBackend() as unknown as Adding
  const transaction = wrapped.multi() as Transaction
  for (const { json, jobId } of met) {
    transaction.eval(DROP_ENDED.lua, keys.length, ...keys, keyPrefix, jobId)
    // Where the id's job is under way this stores nothing.
    backend.addJobToTransaction(transaction, json, jobId).catch(() => {})
  }
  try {
    const replies = await within(transaction.exec(), CALL_TIMEOUT_MS, 'enqueue')
    for (const [at, { index }] of met.entries()) {
      const answer = answerOf(replies?.[2 * at]?.[1] === 0, replies?.[2 * at + 1])
      answers[index] = answer ?? (await addAlone(connection, name, jobs[index]!))
    }
  } catch (cause) {
    const answer = isReply(cause) ? refused(cause) : unknownAnswer(cause)
    for (const { index } of met) answers[index] = answer
  }
}

function optionsOf(job: OutgoingJob, jobId: string): JobsOptions {
  const options: JobsOptions = { jobId, attempts: job.attempts, removeOnComplete: true }
  if (job.delayMs > 0) options.delay = Math.ceil(job.delayMs)
  if (job.priority !== undefined && job.priority > 0) options.priority = job.priority
  if (job.backoff !== undefined) {
    const { delayMs, fixed } = job.backoff
    options.backoff = { type: fixed === true ? 'fixed' : 'exponential', delay: Math.ceil(delayMs) }
  }
  return options
}

type Reply = readonly [error: Error | null, reply: unknown] | undefined

/** Undefined: the server has forgotten BullMQ's scripts, which only a call outside of a transaction brings back. */
function answerOf(known: boolean, added: Reply): EnqueueAnswer | undefined {
  if (added === undefined) return unknownAnswer(new Error('no answer to the transaction'))
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

/** `EXECABORT` only says that something was refused before; this is what. */
function rootOf(error: Error): Error {
  const { previousErrors } = error as { previousErrors?: Error[] }
  return previousErrors?.[0] ?? error
}
