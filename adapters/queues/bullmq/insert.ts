// How do many jobs get into BullMQ in one call, each with an exact answer? BullMQ's own script that inserts one job is run
// in a loop inside one script of ours. So what is stored is BullMQ's business as before, and a chunk costs one command.
//
// Which script a job needs, with which keys and arguments, BullMQ says itself: it hands them to the transaction that its
// flow producer would use, and that transaction only takes notes.

import type { JobJson } from 'bullmq'
import { type Script, scriptOf } from '../../redis-script.ts'
import { asFunction, definedOn, ERRORS } from './own-scripts.ts'
import { DROP_ENDED, DROP_LATE } from './scripts.ts'

/** A script of ours around one of BullMQ's. */
export interface Loop {
  readonly script: Script
  /** How many keys BullMQ's has. */
  readonly numberOfKeys: number
}

/** One job as BullMQ's own script takes it. */
export interface Insertion {
  readonly jobId: string
  /** Where the id's job has ended, its record makes room. */
  readonly replaceEnded: boolean
  readonly loop: Loop
  /** The keys of BullMQ's script, then its arguments. */
  readonly args: readonly (string | Buffer)[]
}

/** The part of BullMQ's Redis backend that its flow producer uses too. */
export interface Adding {
  addJobToTransaction(transaction: unknown, job: JobJson, jobId: string): Promise<unknown>
}

/** BullMQ's command for this job, which is not sent. Throws where there is none. */
export function commandOf(
  backend: Adding,
  client: unknown,
  json: JobJson,
  jobId: string,
): Pick<Insertion, 'loop' | 'args'> {
  let noted: Pick<Insertion, 'loop' | 'args'> | undefined
  const notes = {
    runCommand: (command: string, args: readonly (string | Buffer)[]) => {
      noted = { loop: loopOf(client, command), args }
    },
  }
  // The command is handed over at once; the promise only tells what a server would have answered.
  backend.addJobToTransaction(notes, json, jobId).catch(() => {})
  if (noted === undefined) throw new Error('BullMQ has no script for this job, or not on this client')
  return noted
}

/**
 * KEYS of BullMQ's script, then ours of {@link DROP_ENDED}; ARGV: how many keys are BullMQ's, how many arguments a job has,
 * the prefix of job keys, then of each job its id, `r` where an ended record makes room, BullMQ's arguments.
 * → of each job `a` accepted, `d` duplicate, or `e` and an error's text. A job's error stops no other, see {@link ERRORS}.
 */
const LOOP = `${ERRORS}
local call, own, per, prefix = redis.call, tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
local ours = {}
for i = own + 1, #KEYS do ours[i - own] = KEYS[i] end
local parked, answers = call('HLEN', ours[#ours - 1]) > 0, {}
local function insert(at)
  local id, args = ARGV[at], {}
  for i = 3, per do args[i - 2] = ARGV[at + i - 1] end
  local known, replaces = call('EXISTS', prefix .. id) == 1, ARGV[at + 1] == 'r'
  if known and replaces then known = dropEnded(ours, { prefix, id }) == 0 end
  local got = add(KEYS, args)
  if type(got) == 'table' and got.err then error(got) end
  if type(got) == 'number' and got < 0 then error('BullMQ answered ' .. got) end
  if parked and replaces and not known then dropLate(ours, { prefix, id }) end
  return known and 'd' or 'a'
end
for at = 4, #ARGV, per do
  local ok, got = pcall(insert, at)
  if ok then answers[#answers + 1] = got
  else
    local text = textOf(got)
    local replica = ofReplica(text)
    if replica then return replica end
    answers[#answers + 1] = 'e' .. text
  end
end
return answers`

const ours = (name: string, { lua }: Script): string => asFunction(name, { name: 'ours', lua })
const OURS = ours('dropEnded', DROP_ENDED) + ours('dropLate', DROP_LATE) + LOOP

/** The loop around one of BullMQ's scripts. */
function loopOf(client: unknown, command: string): Loop {
  const known = loops.get(command)
  if (known !== undefined) return known
  const defined = definedOn(client, command)
  if (defined === undefined) throw new Error(`no script "${command}" on this client`)
  const made = { script: scriptOf(asFunction('add', defined) + OURS), numberOfKeys: defined.numberOfKeys }
  loops.set(command, made)
  return made
}

/** By BullMQ's name for its script, which holds its version. */
const loops = new Map<string, Loop>()
