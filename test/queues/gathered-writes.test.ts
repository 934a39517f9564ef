// What is written in one turn of the event loop goes out together, in order, and all of it.

import { EventEmitter, once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { gatherWrites } from '../../adapters/gathered-writes.ts'

/** As ioredis and node_redis: another socket after each reconnect. */
class Client extends EventEmitter {
  stream: Socket | undefined

  async connect(port: number): Promise<{ socket: Socket; writes: number[] }> {
    const socket = connect(port, '127.0.0.1')
    await once(socket, 'connect')
    const writes: number[] = []
    // what the socket is told to send to the system: several at once with `_writev`
    const alone = socket._write.bind(socket)
    socket._write = (...args) => {
      writes.push(1)
      alone(...args)
    }
    const together = socket._writev!.bind(socket)
    socket._writev = (chunks, done) => {
      writes.push(chunks.length)
      together(chunks, done)
    }
    this.stream = socket
    this.emit('connect')
    return { socket, writes }
  }
}

let server: Server
let port: number
let received: Promise<string>[]
beforeEach(async () => {
  received = []
  server = createServer((peer) => {
    let text = ''
    peer.on('data', (chunk) => {
      text += String(chunk)
    })
    peer.on('error', () => {})
    received.push(once(peer, 'close').then(() => text))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  port = (server.address() as { port: number }).port
})
afterEach(() => new Promise((resolve) => server.close(resolve)))

test('one turn is one write, the next turn another; after a reconnect, too', async () => {
  const client = new Client()
  gatherWrites(client)
  for (const round of [0, 1]) {
    const { socket, writes } = await client.connect(port)
    client.emit('connect')
    for (const text of ['a', 'b', 'c']) socket.write(text)
    await new Promise((resolve) => setImmediate(resolve))
    await new Promise((resolve) => setImmediate(resolve))
    socket.write('d')
    socket.write('e')
    await new Promise((resolve) => socket.write('f', resolve))
    expect(writes).toEqual([3, 3])
    socket.end()
    await once(socket, 'close')
    expect(await received[round]).toBe('abcdef')
  }
})

test('what was written is sent before an end in the same turn, and callers of `cork` are not disturbed', async () => {
  const client = new Client()
  const { socket } = await client.connect(port)
  gatherWrites(client)
  socket.write('a')
  socket.cork()
  socket.write('b')
  socket.uncork()
  socket.write('c')
  socket.end('d')
  await once(socket, 'close')
  expect(await received[0]).toBe('abcd')
})

test('a socket that is destroyed meanwhile, or a client that shows none, is left alone', async () => {
  gatherWrites(undefined)
  gatherWrites(new EventEmitter())
  const client = new Client()
  gatherWrites(client)
  const { socket } = await client.connect(port)
  socket.write('a')
  socket.destroy()
  const failed = new Promise((resolve) => socket.write('b', resolve))
  expect(await failed).toMatchObject({ code: 'ERR_STREAM_DESTROYED' })
  await new Promise((resolve) => setImmediate(resolve))
  expect(socket.destroyed).toBe(true)
})
