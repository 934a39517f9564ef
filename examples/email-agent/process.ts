// One process of the application: `process.ts producer …` sends e-mails, `process.ts worker legacy|target` works on them.
// The demo starts three of these; each may be killed at any moment and started again.

import { CutoverError, isCutoverError } from '../../src/index.ts'
import { type EmailAgent, openEmailAgent } from './application.ts'
import { badKind, spoiled } from './demo/bad.ts'
import { mcpMode, withTools } from './demo/mcp.ts'
import type { FromChild } from './demo/messages.ts'
import { produce } from './demo/producer.ts'
import { stream } from './demo/stream.ts'
import { parseEmailLegacy, parseEmailTarget, threadEmail } from './handlers.ts'

/** Jobs at once, of each queue. Parsing is computing: more would only wait for each other. */
const CONCURRENCY = 4
/** What starting again does not mend. */
const HOPELESS = ['adapter-missing', 'adapter-version', 'config-invalid', 'ledger-schema', 'option-invalid', 'usage']

function tell(message: FromChild): void {
  if (process.connected) process.send?.(message)
}

async function main(): Promise<void> {
  const [role = '', ...args] = process.argv.slice(2)
  const stop = new AbortController()
  const stopped = new Promise((resolve) => stop.signal.addEventListener('abort', resolve, { once: true }))
  process.once('SIGTERM', () => stop.abort())
  process.once('disconnect', () => stop.abort()) // the parent is gone
  // Ctrl-C goes to every process of the terminal; the parent hears it too, and says when to stop.
  process.on('SIGINT', () => process.connected || stop.abort())
  const agent = await openEmailAgent()
  try {
    if (role === 'worker') await work(agent, args[0])
    else if (role === 'stream') await stream(agent, { args, signal: stop.signal, tell })
    else if (role === 'producer') await produce(agent, { args, signal: stop.signal, tell })
    else throw new CutoverError('usage', `"${role}" is not a role; allowed: producer, stream, worker`)
    await stopped
  } finally {
    await agent.close({ timeout: '5s' })
  }
}

async function work(agent: EmailAgent, side: string | undefined): Promise<void> {
  const options = { concurrency: CONCURRENCY, version: '1' }
  if (side === 'legacy') await agent.work('parse-email', side, parseEmailLegacy, options)
  else if (side === 'target') await agent.work('parse-email', side, parseEmailTarget, options)
  else throw new CutoverError('usage', `"${side ?? ''}" is not a side; allowed: legacy, target`)
  const thread = spoiled(threadEmail, badKind(process.env))
  const threads = mcpMode(process.env) === undefined ? thread : withTools(thread)
  await agent.work('thread-email', side, threads, options)
  tell({ kind: 'ready' })
}

main().then(
  () => process.disconnect?.(),
  (cause: unknown) => {
    console.error(cause)
    if (isCutoverError(cause) && HOPELESS.includes(cause.code)) tell({ kind: 'unable', message: cause.message })
    process.exitCode = 1
    if (process.connected) process.disconnect()
  },
)
