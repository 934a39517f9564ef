// A controller that ends itself at a named point: node doomed-controller.ts JSON (see `Doom`). The points are put around
// ledger and flag from outside, so that the library knows nothing of them.

import type { FlagSource } from '../../src/ports/flags.ts'
import type { DriveRequest, MigrationLedger } from '../../src/ports/ledger.ts'
import { type Doom, openCockpit } from './drive.ts'

const doom = JSON.parse(process.argv[2] ?? '{}') as Doom

let ended = false

function end(point: string): void {
  if (point !== doom.at || ended) return
  ended = true
  process.stdout.write('here\n')
  process.kill(process.pid, doom.signal)
  // killed: the signal is on its way; stopped: goes on from here when it is woken
  if (doom.signal === 'SIGKILL') for (;;);
}

const cockpit = await openCockpit(doom.site)
const ledger = new Proxy(cockpit.ledger, {
  get: (target, name) => {
    const value: unknown = Reflect.get(target, name, target)
    if (name !== 'drive') return typeof value === 'function' ? value.bind(target) : value
    return async (request: DriveRequest) => {
      const action = request.audit[0]?.action.replace('plan-', '') ?? ''
      end(`before ${action}`)
      const answer = await (target as MigrationLedger).drive(request)
      end(`after ${action}`)
      return answer
    }
  },
})
const flags = new Proxy(cockpit.flags, {
  get: (target, name) => {
    const value: unknown = Reflect.get(target, name, target)
    if (name !== 'writer') return typeof value === 'function' ? value.bind(target) : value
    const { writer } = target as FlagSource
    return {
      write: async (flag: string, dials: { target: number; shadow: number }) => {
        end('before flag')
        const answer = await writer?.write(flag, dials)
        process.stdout.write(`flag ${dials.target}\n`)
        end('after flag')
        return answer
      },
    }
  },
})
const stop = new AbortController()
process.once('SIGTERM', () => stop.abort())
await cockpit.controller({ ledger, flags }).run(stop.signal)
await cockpit.close()
