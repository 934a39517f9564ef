// A worker process for the queue contract: node queue-worker.ts MODULE FACTORY OPTIONS [hold].
// Prints `ready`, then a line for each run: `run ID ATTEMPT`. With `hold` no run ever ends; without, it acks.

import type { QueueSpec } from '../../src/ports/queue.ts'

const [module, factory, options, mode] = process.argv.slice(2)
if (module === undefined || factory === undefined || options === undefined)
  throw new Error('MODULE FACTORY OPTIONS [hold]')
const loaded = (await import(module)) as Record<string, (options: unknown) => QueueSpec>
const make = loaded[factory]
if (make === undefined) throw new Error(`${module} exports no ${factory}`)
const queue = make(JSON.parse(options)).create()
await queue.open()
await queue.consume(
  async (delivery) => {
    process.stdout.write(`run ${delivery.backendId} ${delivery.attempt}\n`)
    if (mode === 'hold') await new Promise(() => {})
    return { kind: 'ack', result: process.pid }
  },
  { concurrency: 2, onError: (error) => process.stderr.write(`${String(error)}\n`) },
)
process.stdout.write('ready\n')
// A worker whose queue keeps nothing alive must still live until it is killed.
setInterval(() => {}, 60_000)
