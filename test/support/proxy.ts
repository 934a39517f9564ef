// A TCP proxy in front of a server that breaks connections on purpose: before a command reaches the server, or after
// the server has done it and before its answer arrives.

import { createConnection, createServer, type Server, type Socket } from 'node:net'

export interface CutOptions {
  /** Waits for a chunk from the client that satisfies this; default: the next one. */
  readonly when?: (chunk: Buffer) => boolean
}

export interface TcpProxy {
  readonly port: number
  /** The next command never reaches the server; its connection is closed. Resolves when that has happened. */
  dropCommand(options?: CutOptions): Promise<void>
  /** The next command is done by the server, its answer is swallowed and the connection closed. */
  dropAnswer(options?: CutOptions): Promise<void>
  /** Closes every connection; new ones are taken. */
  closeAll(): void
  /** Nothing passes in either direction, connections stay open and new ones are taken; `resume` lets all of it through. */
  pause(): void
  resume(): void
  /** Refuses new connections and closes those that there are, until `accept`. */
  refuse(): void
  accept(): void
  stop(): Promise<void>
}

interface Cut {
  readonly kind: 'command' | 'answer'
  readonly when: (chunk: Buffer) => boolean
  readonly done: () => void
}

class Link {
  readonly #client: Socket
  readonly #server: Socket
  #swallows: Cut | undefined

  constructor(client: Socket, target: { port: number; host: string }, onCommand: (chunk: Buffer) => Cut | undefined) {
    this.#client = client
    this.#server = createConnection(target)
    for (const [one, other] of [
      [this.#client, this.#server],
      [this.#server, this.#client],
    ] as const) {
      one.setNoDelay(true)
      // a broken connection is what this proxy is for: the other end is told by closing it
      one.on('error', () => other.destroy())
      one.on('close', () => other.destroy())
    }
    this.#client.on('data', (chunk: Buffer) => {
      const cut = this.#swallows === undefined ? onCommand(chunk) : undefined
      if (cut?.kind === 'command') return this.#end(cut)
      if (cut !== undefined) this.#swallows = cut
      this.#server.write(chunk)
    })
    this.#server.on('data', (chunk: Buffer) => {
      if (this.#swallows !== undefined) return this.#end(this.#swallows)
      this.#client.write(chunk)
    })
  }

  #end(cut: Cut): void {
    this.close()
    cut.done()
  }

  close(): void {
    this.#client.destroy()
    this.#server.destroy()
  }

  pause(): void {
    this.#client.pause()
    this.#server.pause()
  }

  resume(): void {
    this.#client.resume()
    this.#server.resume()
  }

  onClose(listener: () => void): void {
    this.#client.once('close', listener)
  }
}

export async function startProxy(target: { readonly port: number; readonly host?: string }): Promise<TcpProxy> {
  const links = new Set<Link>()
  const cuts: Cut[] = []
  const state = { paused: false, refusing: false }
  const onCommand = (chunk: Buffer): Cut | undefined => {
    const at = cuts.findIndex(({ when }) => when(chunk))
    return at < 0 ? undefined : cuts.splice(at, 1)[0]
  }
  const server = createServer((client) => {
    if (state.refusing) return client.destroy()
    const link = new Link(client, { port: target.port, host: target.host ?? '127.0.0.1' }, onCommand)
    links.add(link)
    link.onClose(() => links.delete(link))
    if (state.paused) link.pause()
  })
  const port = await listen(server)
  const cut = (kind: Cut['kind'], { when = () => true }: CutOptions = {}): Promise<void> =>
    new Promise((done) => cuts.push({ kind, when, done }))
  const closeAll = (): void => {
    for (const link of links) link.close()
  }
  return {
    port,
    dropCommand: (options) => cut('command', options),
    dropAnswer: (options) => cut('answer', options),
    closeAll,
    pause: () => {
      state.paused = true
      for (const link of links) link.pause()
    },
    resume: () => {
      state.paused = false
      for (const link of links) link.resume()
    },
    refuse: () => {
      state.refusing = true
      closeAll()
    },
    accept: () => {
      state.refusing = false
    },
    stop: async () => {
      closeAll()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}
