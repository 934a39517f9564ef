// What `doctor` says of the Redis under a ledger: whether it keeps what it was given.

import type { LedgerFact } from '../../../src/ports/ledger.ts'
import { CutoverError } from '../../../src/vocabulary/errors.ts'
import type { Connection } from './connection.ts'

export async function redisFacts(connection: Connection): Promise<readonly LedgerFact[]> {
  const info = infoOf(String(await connection.command('INFO')))
  return [
    { name: 'connected', value: connection.origin, status: 'ok' },
    version(info.get('redis_version') ?? 'unknown'),
    eviction(await policyOf(connection, info)),
    persistence(info, await savesOf(connection)),
    replication(info),
    memory(info),
  ]
}

function infoOf(text: string): ReadonlyMap<string, string> {
  const pairs = text.split(/\r?\n/).filter((line) => !line.startsWith('#') && line.includes(':'))
  return new Map(pairs.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]))
}

/** CONFIG is closed at some hosts; then the answer is not known, which is said. */
async function config(connection: Connection, name: string): Promise<string | undefined> {
  try {
    const reply = await connection.command('CONFIG', 'GET', name)
    if (Array.isArray(reply)) return String(reply[1] ?? '')
    if (reply instanceof Map) return String(reply.get(name) ?? '')
    return String((reply as Record<string, unknown>)[name] ?? '')
  } catch (error) {
    if (error instanceof CutoverError && /unknown command|NOPERM|not allowed|disabled/i.test(error.message))
      return undefined
    throw error
  }
}

async function policyOf(connection: Connection, info: ReadonlyMap<string, string>): Promise<string> {
  return info.get('maxmemory_policy') ?? (await config(connection, 'maxmemory-policy')) ?? 'unknown'
}

async function savesOf(connection: Connection): Promise<string> {
  return (await config(connection, 'save')) ?? 'unknown'
}

function version(value: string): LedgerFact {
  const [major = 0, minor = 0] = value.split('.').map(Number)
  const old = value !== 'unknown' && (major < 6 || (major === 6 && minor < 2))
  return old
    ? { name: 'version', value, status: 'bad', advice: 'use Redis 6.2 or newer' }
    : { name: 'version', value, status: 'ok' }
}

function eviction(value: string): LedgerFact {
  const name = 'maxmemory-policy'
  if (value === 'noeviction') return { name, value, status: 'ok' }
  if (value === 'unknown') return { name, value, status: 'warn', advice: 'make sure that it is noeviction' }
  return {
    ...{ name, value, status: 'bad' },
    advice: 'set maxmemory-policy to noeviction: an evicted row is a job that can run twice or be lost',
  }
}

function persistence(info: ReadonlyMap<string, string>, saves: string): LedgerFact {
  const name = 'persistence'
  if (info.get('aof_enabled') === '1') return { name, value: 'append-only file', status: 'ok' }
  if (saves === 'unknown') {
    return {
      name,
      value: saves,
      status: 'warn',
      advice: 'make sure that appendonly is on: a restart without it loses the ledger',
    }
  }
  if (saves !== '') {
    const advice = 'turn appendonly on: a crash loses what came after the last snapshot'
    return { name, value: `snapshots (save ${saves})`, status: 'warn', advice }
  }
  return { name, value: 'none', status: 'warn', advice: 'turn appendonly on: a restart loses the whole ledger' }
}

function replication(info: ReadonlyMap<string, string>): LedgerFact {
  const name = 'replication'
  const replicas = Number(info.get('connected_slaves') ?? 0)
  if (info.get('role') === 'slave') {
    return { name, value: 'a replica', status: 'bad', advice: 'connect to the primary: a replica refuses writes' }
  }
  if (replicas === 0) return { name, value: 'none', status: 'ok' }
  return {
    ...{ name, value: `${replicas} replica${replicas === 1 ? '' : 's'}`, status: 'warn' },
    advice: 'replication is asynchronous: a failover that loses acknowledged writes voids "one side, nothing lost"',
  }
}

function memory(info: ReadonlyMap<string, string>): LedgerFact {
  const [used, max] = [Number(info.get('used_memory') ?? 0), Number(info.get('maxmemory') ?? 0)]
  const mb = (bytes: number): string => `${Math.ceil(bytes / 1_048_576)} MB`
  const value = max === 0 ? `${mb(used)} used, no limit` : `${mb(used)} of ${mb(max)} used`
  if (max === 0 || used < max * 0.8) return { name: 'memory', value, status: 'ok' }
  return { name: 'memory', value, status: 'warn', advice: 'raise maxmemory: a full ledger takes no jobs' }
}
