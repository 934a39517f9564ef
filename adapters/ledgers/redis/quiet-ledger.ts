// Since when a side has been seen empty, in Redis.

import type { DrainLedger, Quiet } from '../../../src/ports/drain.ts'
import { fields, type Port, texts } from './port.ts'
import { SCRIPTS } from './scripts.ts'

export function quietLedger(port: Port): DrainLedger {
  return {
    noteQuiet: async (side, print) => {
      const reply = await port.run(SCRIPTS.noteQuiet, [side, print === undefined ? '0' : '1', print ?? ''])
      const [noted] = texts(reply)
      return noted === undefined ? undefined : readQuiet(noted)
    },
    quiet: async () => {
      const stored = fields(await port.run(SCRIPTS.quiet, []))
      return Object.fromEntries([...stored].map(([side, noted]) => [side, readQuiet(noted)]))
    },
  }
}

/** `SINCE PRINT`. */
function readQuiet(noted: string): Quiet {
  const at = noted.indexOf(' ')
  return { since: Number(noted.slice(0, at)), print: noted.slice(at + 1) }
}
