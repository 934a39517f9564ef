// Does this Redis throw keys away when it is full? Then nothing may be parked in it: what is taken out of a queue for the
// other side would be the only copy, and could vanish.

import type { Movability } from '../src/ports/queue.ts'
import { command, type RedisClient } from './redis-script.ts'

/** Keys of queues have no time to live, so of the policies only those over all keys take them. */
export function evictionOf(info: string): string | undefined {
  const value = (name: string): string => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1] ?? ''
  const policy = value('maxmemory_policy')
  return policy.startsWith('allkeys-') && value('maxmemory') !== '0' ? policy : undefined
}

/** Where INFO may not be asked nothing is known, and nothing refused. */
export async function unlessEvicting(client: RedisClient, movable: Movability): Promise<Movability> {
  if (!movable.ok) return movable
  const info = await command(client, 'info', 'memory').catch(() => '')
  const policy = evictionOf(String(info))
  if (policy === undefined) return movable
  return {
    ok: false,
    reason: `its Redis evicts when it is full (maxmemory-policy ${policy}), and what is parked there could vanish: set maxmemory-policy to noeviction`,
  }
}
