// Makes a flag, or switches it off: both only where the flag server can be written, both in the audit log.

import type { Answer, Call } from '../io.ts'
import { foreign } from '../pen.ts'
import { inTime, type WhoOptions, whoOf, withSession } from '../session.ts'
import { writerWith } from '../write-dials.ts'

const WRITE_MS = 20_000

export async function createFlag(call: Call<WhoOptions>): Promise<Answer> {
  return await make(call, 'create')
}

export async function killFlag(call: Call<WhoOptions>): Promise<Answer> {
  return await make(call, 'kill')
}

const DONE = {
  create: 'was made, with both dials at 0%: every job goes to legacy',
  kill: 'is off: every job goes to legacy, as soon as the processes have seen it (cutover flag wait)',
} as const

async function make(call: Call<WhoOptions>, way: 'create' | 'kill'): Promise<Answer> {
  return await withSession(call, async (session) => {
    const settings = session.pick(call.args[0])
    const { name, flag, flagKind } = settings
    // First the ledger: what cannot be written into the audit log is not done. `cutover rollback` needs no flag server.
    const ledger = await session.ledgerOf(settings)
    await ledger.control()
    const work = await writerWith(session, settings, way)
    const { revision } = await inTime(work(flag, { flagKind }), WRITE_MS, 'flag-unavailable', `flag ${way}`)
    const who = whoOf(call.options)
    await ledger.audit({ action: `flag-${way}`, ...who, data: { flag, revision } })
    return {
      json: { migration: name, flag, revision, by: who.by, why: who.why ?? null },
      text: (pen) => `${pen.style('bold', foreign(name))}: the flag "${foreign(flag)}" ${DONE[way]}\n`,
    }
  })
}
