// A BullMQ worker ends each job with a command of its own that also fetches the next one. Where many jobs end in one turn
// of the event loop this runs BullMQ's own script for each of them in one command. What the script does, and what each job
// is answered, is BullMQ's business as before.
//
// Where the ledger is on the same server and database, the ends of unfenced runs are stored in the same command, each
// before its ack: an end that the ledger's script does not store is told to the ledger by itself, and acked then.

import type { Redis } from 'ioredis'
import { Grouper } from '../../../src/ports/grouping.ts'
import type { EndScript, JointEnd } from '../../../src/ports/joint.ts'
import { isReply } from '../../queue-support.ts'
import { asFunction, definedOn, ERRORS, type OwnScript } from './own-scripts.ts'

type Args = readonly unknown[]
type Command = (args: Args) => Promise<unknown>

/** BullMQ's name for its script, without the version that follows. */
const END = 'moveToFinished:'
/** A few hundred µs of the server's time. */
const MOST = 25
const TOGETHER = 'cutover:endTogether'
const JOINTLY = 'cutover:endJointly'

/**
 * ARGV behind `base`: how many jobs, how many keys and how many keys and values each has, how many of these places differ
 * among the jobs and which, the first job's keys and values, then of each job its own of those places. `letters`: what the
 * ledger says of each.
 * → of each job 1 and the script's answer, 0 and an error's text, or 2: not stored, nothing was done. A job's error stops
 * no other, see {@link ERRORS}.
 */
const LOOP = `${ERRORS}
local jobs, own, all, differing = tonumber(ARGV[base + 1]), tonumber(ARGV[base + 2]), tonumber(ARGV[base + 3]), tonumber(ARGV[base + 4])
local places, keys, args, answers, first = {}, {}, {}, {}, base + 4 + differing
for i = 1, differing do places[i] = tonumber(ARGV[base + 4 + i]) end
for i = 1, own do keys[i] = ARGV[first + i] end
for i = own + 1, all do args[i - own] = ARGV[first + i] end
local function one(job)
  local at = first + all + (job - 1) * differing
  for i = 1, differing do
    local place = places[i]
    if place <= own then keys[place] = ARGV[at + i] else args[place - own] = ARGV[at + i] end
  end
  local ok, got = pcall(finish, keys, args)
  if ok and not (type(got) == 'table' and got.err) then return { 1, got or false } end
  local text = textOf(got)
  return { 0, text, ofReplica(text) }
end
for job = 1, jobs do
  answers[job] = (not letters or string.byte(letters, job) == 48) and one(job) or { 2 }
  if answers[job][3] then return answers[job][3] end
end
return answers`

/** How many arguments the ledger has, and these; KEYS of BullMQ's script, then the ledger's. */
const LEDGER_FIRST = `
local base, ledgerKeys, ledgerArgs = 1 + tonumber(ARGV[1]), {}, {}
for i = 1, tonumber(ARGV[1]) do ledgerArgs[i] = ARGV[1 + i] end
for i = tonumber(ARGV[base + 2]) + 1, #KEYS do ledgerKeys[#ledgerKeys + 1] = KEYS[i] end
local letters = ledger(ledgerKeys, ledgerArgs)`

/** The end of a run that is taken along. */
export interface Joining {
  readonly joint: JointEnd
  /** Its end could not be stored: puts the job back, and rejects as BullMQ wants to be told of it. */
  readonly putBack: (cause: unknown) => Promise<never>
}

interface Ending {
  readonly args: Args
  readonly joining?: Joining
}

/**
 * Answers to two commands may come in one piece, after a pause of either side. If the jobs of both went on in one turn they
 * would end in one turn, too, their next commands would go out and come back in one piece for ever, and server and worker
 * would only wait for each other. So each command's jobs go on in a turn of their own.
 */
class Turns {
  #last: Promise<unknown> = Promise.resolve()

  next(): Promise<unknown> {
    const mine = this.#last
    this.#last = mine.then(() => new Promise((resolve) => setImmediate(resolve)))
    return mine
  }
}

type Ended = { readonly answer: unknown } | { readonly error: unknown }
type Reply = readonly [kind: number, answer: unknown]

/** How the ends of a worker's jobs go over its connection. */
export interface Ends {
  /** Ends of runs can be taken along. */
  readonly jointly: boolean
  /** The next end of this job brings that of its run along. */
  join(jobId: string, joining: Joining): void
}

/** From now on this connection ends jobs together. Undefined without the script it knows: all stays as it is. */
export function gatherEnds(client: Redis, ledger: EndScript | undefined): Ends | undefined {
  const own = definedOn(client, END)
  const commands = client as unknown as Record<string, Command>
  const alone = own === undefined ? undefined : commands[own.name]?.bind(client)
  if (own === undefined || alone === undefined) return undefined
  const { name, numberOfKeys } = own
  // of a job that stalled and runs twice here there are two
  const joinings = new Map<string, Joining[]>()
  const ways = waysOf(client, own, ledger)
  const turns = new Turns()
  const ends = {
    plain: new Grouper<Ending, Ended>(
      async (jobs) => (jobs.length === 1 ? [await ended(alone(jobs[0]!.args))] : (await ways.together(jobs)).map(read)),
      { most: MOST },
    ),
    joint: new Grouper<Ending, Ended>(
      async (jobs) => {
        const replies = await ways.jointly(jobs)
        await turns.next()
        return Promise.all(replies.map((reply, at) => (reply[0] === 2 ? afterIts(jobs[at]!, alone) : read(reply))))
      },
      { most: MOST },
    ),
  }
  const join = (jobId: string, joining: Joining): void => {
    const waiting = joinings.get(jobId)
    if (waiting === undefined) joinings.set(jobId, [joining])
    else waiting.push(joining)
  }
  commands[name] = async (args) => {
    const jobId = String(args[numberOfKeys])
    const waiting = joinings.get(jobId)
    const joining = waiting?.shift()
    if (waiting?.length === 0) joinings.delete(jobId)
    const given = await (joining === undefined ? ends.plain.ask({ args }) : ends.joint.ask({ args, joining }))
    if ('error' in given) throw given.error
    return given.answer
  }
  return { jointly: ledger !== undefined, join }
}

interface Ways {
  together(jobs: readonly Ending[]): Promise<readonly Reply[]>
  jointly(jobs: readonly Ending[]): Promise<readonly Reply[]>
}

function waysOf(client: Redis, own: OwnScript, ledger: EndScript | undefined): Ways {
  const { numberOfKeys } = own
  const commands = client as unknown as Record<string, Command>
  const finish = asFunction('finish', own)
  client.defineCommand(TOGETHER, { numberOfKeys, lua: `${finish}local base, letters = 0\n${LOOP}` })
  if (ledger !== undefined) {
    const lua = `${asFunction('ledger', { name: 'ledger', lua: ledger.lua })}${finish}${LEDGER_FIRST}\n${LOOP}`
    client.defineCommand(JOINTLY, { numberOfKeys: numberOfKeys + ledger.keys.length, lua })
  }
  const keysOf = (jobs: readonly Ending[]): Args => jobs[0]!.args.slice(0, numberOfKeys)
  const call = async (name: string, args: Args): Promise<readonly Reply[]> =>
    (await commands[name]!.call(client, args)) as readonly Reply[]
  return {
    together: (jobs) => call(TOGETHER, [...keysOf(jobs), ...packed(jobs, numberOfKeys)]),
    jointly: async (jobs) => {
      if (ledger === undefined) return jobs.map(() => NOT_STORED)
      const first = ledger.args(jobs.map(({ joining }) => joining!.joint.request))
      try {
        const args = [first.length, ...first, ...packed(jobs, numberOfKeys)]
        return await call(JOINTLY, [...keysOf(jobs), ...ledger.keys, ...args])
      } catch (cause) {
        // The server refused it whole (full memory, keys that are elsewhere): each end goes its own way.
        if (!isReply(cause)) throw cause
        return jobs.map(() => NOT_STORED)
      }
    },
  }
}

const NOT_STORED: Reply = [2, null]

/** The run's end by itself, then the ack. */
async function afterIts({ args, joining }: Ending, alone: Command): Promise<Ended> {
  try {
    await joining?.joint.alone().catch(joining.putBack)
    return { answer: await alone(args) }
  } catch (error) {
    return { error }
  }
}

async function ended(answer: Promise<unknown>): Promise<Ended> {
  return { answer: await answer }
}

function read([kind, answer]: Reply): Ended {
  return kind === 1 ? { answer } : { error: replyError(String(answer)) }
}

function packed(jobs: readonly Ending[], numberOfKeys: number): unknown[] {
  const first = jobs[0]!.args
  const differs = (place: number): boolean => jobs.some(({ args }) => !same(args[place], first[place]))
  const places = first.map((_, place) => place).filter(differs)
  const args: unknown[] = [jobs.length, numberOfKeys, first.length, places.length]
  for (const place of places) args.push(place + 1)
  args.push(...first)
  for (const job of jobs) for (const place of places) args.push(job.args[place])
  return args
}

function same(one: unknown, other: unknown): boolean {
  return one === other || (Buffer.isBuffer(one) && Buffer.isBuffer(other) && one.equals(other))
}

/** As the client itself makes it of a server's answer. */
function replyError(message: string): Error {
  const error = new Error(message)
  error.name = 'ReplyError'
  return error
}
