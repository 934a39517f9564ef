// Sends e-mails without an end, at the pace that its parent names, each to a mailbox of its own: the gates count mailboxes.
// Whatever its queue has accepted is noted in a file. It can be killed anywhere: the next one sends others.

import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { isCutoverError } from '../../../src/index.ts'
import type { EmailAgent } from '../application.ts'
import { readEmails } from '../input.ts'
import type { EmailJob } from '../types.ts'
import { type FromChild, MIGRATIONS, type Pace } from './messages.ts'

const TURN_MS = 50
/** `parse-email` computes ten times as long: one of its jobs for so many of the other kind. */
const PARSED_OF = 4
const AGAIN = ['enqueue-unknown', 'enqueue-refused', 'ledger-unavailable', 'queue-unavailable'] as const

interface Item {
  readonly id: string
  readonly payload: EmailJob
}

export interface StreamOptions {
  /** `INPUT FOLDER PREFIX`. */
  readonly args: readonly string[]
  readonly signal: AbortSignal
  readonly tell: (message: FromChild) => void
}

export async function stream(agent: EmailAgent, { args, signal, tell }: StreamOptions): Promise<void> {
  const [input = '', folder = '', prefix = ''] = args
  const emails = readEmails(input)
  let perSecond = 0
  process.on('message', (message: Pace) => {
    perSecond = message.perSecond
  })
  tell({ kind: 'ready' })
  let n = 0
  let owed = 0
  while (!signal.aborted) {
    await delay(TURN_MS, undefined, { signal }).catch(() => {}) // told to stop: seen above
    owed += (perSecond * TURN_MS) / 1000
    const items = Array.from({ length: Math.floor(owed) }, () => {
      const id = `${prefix}-${process.pid}-${n}`
      const email = emails[n++ % emails.length]!
      return { id, payload: { ...email, mailbox: `${id}@mail.example` } }
    })
    owed -= items.length
    for (const migration of MIGRATIONS) {
      const own = migration === 'parse-email' ? items.filter((_, at) => (n + at) % PARSED_OF === 0) : items
      if (own.length > 0) await send(agent, { migration, own, folder })
    }
  }
}

async function send(
  agent: EmailAgent,
  o: { migration: (typeof MIGRATIONS)[number]; own: readonly Item[]; folder: string },
): Promise<void> {
  const { migration, own, folder } = o
  for (;;) {
    try {
      await agent.enqueueMany(migration, own)
      break
    } catch (cause) {
      if (!AGAIN.some((code) => isCutoverError(cause, code))) throw cause
      console.error(cause) // the same ids once more
      await delay(TURN_MS)
    }
  }
  appendFileSync(join(folder, sentFile(migration)), own.map(({ id }) => `${id}\n`).join(''))
}

export function sentFile(migration: string): string {
  return `sent-${migration}.txt`
}
