// Runs Lua on a Redis over whichever client the user's queue library has: node_redis 3 or ioredis.

import { createHash } from 'node:crypto'
import type { EventEmitter } from 'node:events'

/** node_redis or ioredis: only called with a callback at the end, which both take. */
export type RedisClient = EventEmitter & Record<string, unknown>

export interface Script {
  readonly lua: string
  readonly sha: string
}

export function scriptOf(lua: string): Script {
  return { lua, sha: createHash('sha1').update(lua).digest('hex') }
}

export function command(
  client: RedisClient,
  name: string,
  ...args: readonly (string | number | Buffer)[]
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const method = client[name] as (...args: unknown[]) => unknown
    method.call(client, ...args, (error: unknown, reply: unknown) => (error ? reject(error) : resolve(reply)))
  })
}

/** Runs a script; a restarted server has forgotten it and is told again. */
export async function runScript(
  client: RedisClient,
  { sha, lua }: Script,
  keys: readonly string[],
  args: readonly (string | number | Buffer)[],
): Promise<unknown> {
  try {
    return await command(client, 'evalsha', sha, keys.length, ...keys, ...args)
  } catch (error) {
    if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error
    return command(client, 'eval', lua, keys.length, ...keys, ...args)
  }
}
