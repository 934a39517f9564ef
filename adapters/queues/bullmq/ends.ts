// A BullMQ worker ends each job with a command of its own that also fetches the next one. Where many jobs end in one turn
// of the event loop, as after one answer of the ledger for all of them, this runs BullMQ's own script for each of them in
// one command. What the script does, and what each job is answered, is BullMQ's business as before.

import type { Redis } from 'ioredis'
import { Grouper } from '../../../src/ports/grouping.ts'
import { asFunction, definedOn, ERRORS } from './own-scripts.ts'

type Args = readonly unknown[]
type Command = (args: Args) => Promise<unknown>

/** BullMQ's name for its script, without the version that follows. */
const END = 'moveToFinished:'
const LOOP_NAME = 'cutover:moveManyToFinished'
/** A few hundred µs of the server's time. */
const MOST = 25

/**
 * KEYS of the first job; ARGV: how many jobs, how many keys and how many keys and values each has, how many of these places
 * differ among the jobs and which, the first job's keys and values, then of each job its own of those places.
 * → of each job 1 and the script's answer, or 0 and an error's text. A job's error stops no other, see {@link ERRORS}.
 */
const LOOP = `${ERRORS}
local jobs, own, all, differing = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local places, keys, args, answers, first = {}, {}, {}, {}, 4 + differing
for i = 1, differing do places[i] = tonumber(ARGV[4 + i]) end
for i = 1, own do keys[i] = ARGV[first + i] end
for i = own + 1, all do args[i - own] = ARGV[first + i] end
for job = 1, jobs do
  local at = first + all + (job - 1) * differing
  for i = 1, differing do
    local place = places[i]
    if place <= own then keys[place] = ARGV[at + i] else args[place - own] = ARGV[at + i] end
  end
  local ok, got = pcall(finish, keys, args)
  if ok and type(got) == 'table' and got.err then ok = false end
  if ok then answers[#answers + 1] = { 1, got or false }
  else
    local text = textOf(got)
    local replica = ofReplica(text)
    if replica then return replica end
    answers[#answers + 1] = { 0, text }
  end
end
return answers`

/** From now on this worker's connection ends jobs together. Without the script it knows everything stays as it is. */
export function gatherEnds(client: Redis): void {
  const found = definedOn(client, END)
  if (found === undefined) return
  const { name, numberOfKeys } = found
  const commands = client as unknown as Record<string, Command>
  const alone = commands[name]?.bind(client)
  if (alone === undefined) return
  client.defineCommand(LOOP_NAME, { numberOfKeys, lua: asFunction('finish', found) + LOOP })
  const together = commands[LOOP_NAME]!.bind(client)
  const ends = new Grouper<Args, Ended>(
    async (jobs) => {
      const [first] = jobs
      if (jobs.length === 1 && first !== undefined) return [{ answer: await alone(first) }]
      const replies = (await together(packed(jobs, numberOfKeys))) as readonly [number, unknown][]
      return replies.map(([ok, answer]) => (ok === 1 ? { answer } : { error: replyError(String(answer)) }))
    },
    { most: MOST },
  )
  commands[name] = async (args) => {
    const ended = await ends.ask(args)
    if ('error' in ended) throw ended.error
    return ended.answer
  }
}

type Ended = { readonly answer: unknown } | { readonly error: Error }

function packed(jobs: readonly Args[], numberOfKeys: number): unknown[] {
  const first = jobs[0]!
  const places = first.map((_, place) => place).filter((place) => jobs.some((job) => !same(job[place], first[place])))
  const args: unknown[] = [...first.slice(0, numberOfKeys), jobs.length, numberOfKeys, first.length, places.length]
  for (const place of places) args.push(place + 1)
  args.push(...first)
  for (const job of jobs) for (const place of places) args.push(job[place])
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
