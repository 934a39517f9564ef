// What probes of MCP servers found, in Redis.

import type { ProbeLedger } from '../../../src/ports/ledger.ts'
import type { ProbeRecord } from '../../../src/vocabulary/probe.ts'
import type { Port } from './port.ts'
import { SCRIPTS } from './scripts.ts'
import { Reader } from './wire.ts'

export function probeLedger(port: Port): ProbeLedger {
  return {
    noteProbe: async (probe) => {
      // a space is in no server's name
      await port.run(SCRIPTS.probe, [`${probe.server} ${probe.place}`, probe.id, JSON.stringify(probe)])
    },
    probes: async () => {
      const stored = (await port.run(SCRIPTS.probes, [])) as Buffer[]
      return stored.map((entry) => {
        const reader = new Reader(entry)
        const at = reader.time()
        reader.text(2)
        return { ...(JSON.parse(reader.rest()) as ProbeRecord), at }
      })
    },
  }
}
