// The Lua scripts, put together from the chunks in `lua/`, each with the digest by which Redis knows it.

import { createHash } from 'node:crypto'
import { LUA_CODES } from './codes.ts'
import {
  LUA_AUDIT,
  LUA_BEAT,
  LUA_CONTROL,
  LUA_CONTROL_READ,
  LUA_DIAL,
  LUA_DRIVE,
  LUA_DRIVE_READ,
  LUA_EPOCH,
  LUA_HISTORY,
  LUA_LATCH,
  LUA_LEASE,
  LUA_PRESENCE,
} from './lua/control.ts'
import { LUA_CORE, LUA_COUNTS } from './lua/core.ts'
import { LUA_FINISH, LUA_SUCCEEDED } from './lua/finish.ts'
import { LUA_ARRIVE, LUA_MOVE, LUA_MOVES, LUA_PAYLOADS } from './lua/moves.ts'
import { LUA_COMPARE, LUA_ORPHAN, LUA_SAMPLES, LUA_SHED } from './lua/pairs.ts'
import { LUA_PROBE, LUA_PROBES } from './lua/probes.ts'
import { LUA_NOTE, LUA_PIN, LUA_UNPIN } from './lua/producer.ts'
import { LUA_NOTE_QUIET, LUA_QUIET } from './lua/quiet.ts'
import { LUA_BATCH, LUA_ROWS, LUA_SAVE } from './lua/rows.ts'
import { LUA_DECLARE, LUA_SCHEDULED, LUA_TICK, LUA_UNSCHEDULE } from './lua/schedules.ts'
import { LUA_PUT, LUA_SETTLED } from './lua/settled.ts'
import { LUA_BUMP, LUA_COMPACT, LUA_ENDED, LUA_FOLD, LUA_ROW, LUA_SCAN, LUA_SNAPSHOT, LUA_TIMES } from './lua/views.ts'
import { LUA_CLAIM, LUA_END, LUA_HOLD } from './lua/worker.ts'

export interface Script {
  readonly name: string
  readonly source: string
  readonly sha: string
}

function script(name: string, ...chunks: readonly string[]): Script {
  const source = chunks.join('')
  return { name, source, sha: createHash('sha1').update(source).digest('hex') }
}

const BATCH = [LUA_CORE, LUA_CODES, LUA_COUNTS, LUA_BATCH]
const ROWS = [...BATCH, LUA_ROWS]
const SETTLED = [LUA_PUT, LUA_SETTLED]
const WRITES = [...ROWS, ...SETTLED, LUA_SAVE]
const CONTROL = [LUA_CORE, LUA_CONTROL]

export const SCRIPTS = {
  pin: script('pin', ...WRITES, LUA_PIN),
  unpin: script('unpin', ...WRITES, LUA_UNPIN),
  note: script('note', ...WRITES, LUA_NOTE),
  claim: script('claim', ...WRITES, LUA_CLAIM),
  hold: script('hold', ...WRITES, LUA_HOLD),
  // most ends need little of what there is: naming the rest costs more than such an end
  succeeded: script('succeeded', ...BATCH, LUA_PUT, LUA_SUCCEEDED),
  finish: script('finish', ...WRITES, LUA_FINISH),
  end: script('end', ...WRITES, LUA_END),
  move: script('move', ...WRITES, LUA_MOVE),
  arrive: script('arrive', ...WRITES, LUA_ARRIVE),
  payloads: script('payloads', ...ROWS, LUA_PAYLOADS),
  moves: script('moves', ...ROWS, LUA_MOVES),
  shed: script('shed', ...WRITES, LUA_SHED),
  orphan: script('orphan', ...WRITES, LUA_ORPHAN),
  compare: script('compare', ...WRITES, LUA_COMPARE),
  samples: script('samples', LUA_CORE, LUA_SAMPLES),
  row: script('row', ...ROWS, ...SETTLED, LUA_ROW),
  scan: script('scan', ...ROWS, LUA_SCAN),
  ended: script('ended', ...ROWS, ...SETTLED, LUA_ENDED),
  snapshot: script('snapshot', ...ROWS, LUA_CONTROL, LUA_SNAPSHOT),
  bump: script('bump', LUA_CORE, LUA_CODES, LUA_COUNTS, LUA_BUMP),
  times: script('times', LUA_CORE, LUA_CODES, LUA_COUNTS, LUA_TIMES),
  fold: script('fold', LUA_CORE, LUA_CODES, LUA_COUNTS, LUA_FOLD),
  compact: script('compact', ...ROWS, ...SETTLED, LUA_CONTROL, LUA_COMPACT),
  control: script('control', ...CONTROL, LUA_CONTROL_READ),
  latch: script('latch', ...CONTROL, LUA_LATCH),
  dial: script('dial', ...CONTROL, LUA_DIAL),
  epoch: script('epoch', ...CONTROL, LUA_EPOCH),
  drive: script('drive', ...CONTROL, LUA_DRIVE),
  driveState: script('driveState', ...CONTROL, LUA_DRIVE_READ),
  beat: script('beat', ...CONTROL, LUA_BEAT),
  presence: script('presence', ...CONTROL, LUA_PRESENCE),
  lease: script('lease', ...CONTROL, LUA_LEASE),
  audit: script('audit', ...CONTROL, LUA_AUDIT),
  history: script('history', ...CONTROL, LUA_HISTORY),
  noteQuiet: script('noteQuiet', LUA_CORE, LUA_NOTE_QUIET),
  quiet: script('quiet', LUA_CORE, LUA_QUIET),
  declare: script('declare', ...CONTROL, LUA_DECLARE),
  tick: script('tick', ...CONTROL, LUA_TICK),
  unschedule: script('unschedule', ...CONTROL, LUA_UNSCHEDULE),
  scheduled: script('scheduled', ...CONTROL, LUA_SCHEDULED),
  probe: script('probe', LUA_CORE, LUA_PROBE),
  probes: script('probes', LUA_CORE, LUA_PROBES),
} as const

/** Scripts on the keys of a namespace, KEYS[1] its prefix. */
export const ROOT_SCRIPTS = {
  open: script(
    'open',
    `
redis.call('SET', KEYS[1] .. 'schema', ARGV[1], 'NX')
return redis.call('GET', KEYS[1] .. 'schema')
`,
  ),
  register: script(
    'register',
    `
return redis.call('SADD', KEYS[1] .. 'migrations', ARGV[1])
`,
  ),
  migrations: script(
    'migrations',
    `
return redis.call('SMEMBERS', KEYS[1] .. 'migrations')
`,
  ),
  ping: script(
    'ping',
    `
local time = redis.call('TIME')
return string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
`,
  ),
} as const
