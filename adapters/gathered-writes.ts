// A worker answers for many jobs in one turn of the event loop, each with a command of its own, and each command is a
// write of its own to the socket: a system call that costs more than all else that a job needs. On connections of our own
// what is written in one turn goes out together at its end.

import type { EventEmitter } from 'node:events'
import type { Writable } from 'node:stream'

/** A client of ioredis or node_redis: both show the socket that they write to, another one after each reconnect. */
type Client = EventEmitter & { readonly stream?: unknown }

const gathering = new WeakSet<Writable>()

/** From now on, and after every reconnect. Nothing changes where the client does not show its socket. */
export function gatherWrites(client: EventEmitter | null | undefined): void {
  if (client === null || client === undefined) return
  const gather = (): void => {
    const { stream } = client as Client
    if (isCorkable(stream) && !gathering.has(stream)) gatherOn(stream)
  }
  gather()
  client.on('connect', gather)
}

function isCorkable(stream: unknown): stream is Writable {
  const { write, cork, uncork } = (stream ?? {}) as Partial<Writable>
  return typeof write === 'function' && typeof cork === 'function' && typeof uncork === 'function'
}

function gatherOn(stream: Writable): void {
  gathering.add(stream)
  const write = stream.write.bind(stream) as (...args: unknown[]) => boolean
  let corked = false
  stream.write = (...args: unknown[]): boolean => {
    if (!corked) {
      corked = true
      stream.cork()
      // after what is read in this turn has been worked on; at once where there is nothing
      setImmediate(() => {
        corked = false
        stream.uncork()
      })
    }
    return write(...args)
  }
}
