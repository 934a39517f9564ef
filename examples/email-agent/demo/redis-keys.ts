// Removes what a run has left in somebody's Redis: every key begins with the run's own prefix.

import { Redis } from 'ioredis'

/** Answers how many keys there were. */
export async function removeKeys(url: string, prefix: string): Promise<number> {
  const redis = new Redis(url, { maxRetriesPerRequest: 3 })
  try {
    let removed = 0
    let cursor = '0'
    do {
      const [next, keys] = await redis.scan(cursor, 'MATCH', `${prefix}*`, 'COUNT', 1000)
      if (keys.length > 0) removed += await redis.unlink(...keys)
      cursor = next
    } while (cursor !== '0')
    return removed
  } finally {
    redis.disconnect()
  }
}
