// The Redis ledger under the contract of all ledgers.

import { redisLedger } from '../../adapters/ledgers/redis/index.ts'
import { ledgerContract } from '../contract/ledger-contract.ts'
import { hasRedis, startRedis } from '../support/redis.ts'

if (hasRedis()) {
  ledgerContract({
    name: 'redis',
    create: async () => {
      const server = await startRedis()
      return { spec: () => redisLedger({ url: server.url }), stop: () => server.stop() }
    },
  })
}
