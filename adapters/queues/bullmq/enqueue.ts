// How do jobs get into BullMQ with one exact answer each? BullMQ does not tell a duplicate, and its own bulk insert throws
// at the first error: so a chunk is one script around BullMQ's own insertion, see `insert.ts`. Of several senders of one
// new id one is told `accepted`.

import type { JobJson, JobsOptions } from 'bullmq'
import type { EnqueueAnswer, OutgoingJob } from '../../../src/ports/queue.ts'
import { CALL_TIMEOUT_MS, isReply, refused, unknownAnswer, within } from '../../queue-support.ts'
import { runScript } from '../../redis-script.ts'
import type { BullConnection } from './connection.ts'
import { type Adding, commandOf, type Insertion, type Loop } from './insert.ts'
import { toJobId } from './keys.ts'

interface Validated {
  asJSON(): JobJson
  validateOptions(job: JobJson): void
}

/** A job that BullMQ takes, and its place among those to be sent. */
interface Placed extends Insertion {
  readonly index: number
}

export async function send(
  connection: BullConnection,
  name: string,
  jobs: readonly OutgoingJob[],
): Promise<readonly EnqueueAnswer[]> {
  const answers: EnqueueAnswer[] = []
  // a delayed or a prioritized job has a script of its own
  const placed = new Map<Loop, Placed[]>()
  for (const [index, job] of jobs.entries()) {
    try {
      const one = prepared(connection, name, job, index)
      const same = placed.get(one.loop)
      if (same === undefined) placed.set(one.loop, [one])
      else same.push(one)
    } catch (cause) {
      answers[index] = refused(cause)
    }
  }
  await Promise.all([...placed].map(([loop, some]) => insert(connection, loop, some, answers)))
  return answers
}

/** Throws what BullMQ itself refuses. */
function prepared({ queue, module, client }: BullConnection, name: string, job: OutgoingJob, index: number): Placed {
  const jobId = toJobId(job.backendId)
  const made = new module.Job(queue, name, job.data, optionsOf(job, jobId), jobId) as unknown as Validated
  const json = made.asJSON()
  made.validateOptions(json)
  const { loop, args } = commandOf(queue.getBackend() as unknown as Adding, client, json, jobId)
  return { jobId, replaceEnded: job.replaceEnded === true, loop, args, index }
}

/** Those of one script, in one call; fills in their answers. */
async function insert(
  { client, keys, keyPrefix }: BullConnection,
  { script, numberOfKeys }: Loop,
  placed: readonly Placed[],
  answers: EnqueueAnswer[],
): Promise<void> {
  try {
    const own = placed[0]!.args.slice(0, numberOfKeys) as string[]
    const per = 2 + placed[0]!.args.length - numberOfKeys
    const args: (string | number | Buffer)[] = [numberOfKeys, per, keyPrefix]
    for (const one of placed) args.push(one.jobId, one.replaceEnded ? 'r' : '', ...one.args.slice(numberOfKeys))
    const sent = runScript(client, script, [...own, ...keys], args)
    const replies = (await within(sent, CALL_TIMEOUT_MS, 'enqueue')) as readonly string[]
    for (const [at, { index }] of placed.entries()) answers[index] = answerOf(replies[at])
  } catch (cause) {
    const answer = isReply(cause) ? refused(cause) : unknownAnswer(cause)
    for (const { index } of placed) answers[index] = answer
  }
}

function answerOf(reply: string | undefined): EnqueueAnswer {
  if (reply === 'a') return { status: 'accepted' }
  if (reply === 'd') return { status: 'duplicate' }
  return reply === undefined
    ? unknownAnswer(new Error('no answer to a job of a chunk'))
    : refused(new Error(reply.slice(1)))
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
