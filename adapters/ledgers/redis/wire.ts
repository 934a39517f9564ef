// How a batch travels to a script in one argument and how packed answers are read: the byte forms that the scripts'
// `struct` formats name. Numbers are big-endian; texts carry their length.

import { createHash } from 'node:crypto'

const LONGEST_ID = 40
const LONGEST_TOKEN = 200
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

/** Largest number of an unsigned field of four bytes; `Infinity` is stored as it. */
const MOST = 0xffffffff

/** Appends fields to one buffer, which grows. */
export class Writer {
  #bytes: Buffer
  #at = 0

  constructor(size = 4096) {
    this.#bytes = Buffer.allocUnsafe(size)
  }

  get length(): number {
    return this.#at
  }

  #room(more: number): void {
    if (this.#at + more <= this.#bytes.length) return
    const larger = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#at + more))
    this.#bytes.copy(larger, 0, 0, this.#at)
    this.#bytes = larger
  }

  u8(value: number): this {
    this.#room(1)
    this.#bytes[this.#at++] = value
    return this
  }

  u16(value: number): this {
    this.#room(2)
    this.#at = this.#bytes.writeUInt16BE(value, this.#at)
    return this
  }

  u24(value: number): this {
    this.#room(3)
    this.#at = this.#bytes.writeUIntBE(value, this.#at, 3)
    return this
  }

  u32(value: number): this {
    this.#room(4)
    this.#at = this.#bytes.writeUInt32BE(Math.min(MOST, Math.max(0, Math.round(value))), this.#at)
    return this
  }

  i32(value: number): this {
    this.#room(4)
    this.#at = this.#bytes.writeInt32BE(Math.round(value), this.#at)
    return this
  }

  /** A time or a duration in ms, of either sign. */
  time(value: number): this {
    this.#room(6)
    this.#at = this.#bytes.writeIntBE(Math.round(value), this.#at, 6)
    return this
  }

  /** A text with its length in 1, 2 or 4 bytes. */
  text(value: string, lengthBytes: 1 | 2 | 4): this {
    this.#room(lengthBytes + value.length * 3)
    const start = this.#at + lengthBytes
    const written = this.#bytes.write(value, start, 'utf8')
    if (lengthBytes < 4 && written >= 2 ** (8 * lengthBytes))
      throw new RangeError(`a text of ${written} bytes is too long`)
    this.#bytes.writeUIntBE(written, this.#at, lengthBytes)
    this.#at = start + written
    return this
  }

  bytes(value: Buffer, lengthBytes: 1 | 2): this {
    this.#room(lengthBytes + value.length)
    this.#bytes.writeUIntBE(value.length, this.#at, lengthBytes)
    value.copy(this.#bytes, this.#at + lengthBytes)
    this.#at += lengthBytes + value.length
    return this
  }

  /** A job's id in its stored form; a hashed one leaves its full text to {@link fullId}. */
  id(id: string): this {
    if (id.length === 36 && UUID.test(id)) {
      this.#room(17)
      this.#bytes[this.#at] = 16
      let at = this.#at + 1
      for (let i = 0; i < 36; i += 2) {
        if (i === 8 || i === 13 || i === 18 || i === 23) i++
        this.#bytes[at++] = (nibble(id.charCodeAt(i)) << 4) | nibble(id.charCodeAt(i + 1))
      }
      this.#at = at
      return this
    }
    return this.bytes(idBytes(id), 1)
  }

  /** The full text of an id whose stored form is a digest, else nothing. */
  fullId(id: string): this {
    return isHashed(id) ? this.text(id, 2) : this.u16(0)
  }

  token(token: string): this {
    return this.text(token.length > LONGEST_TOKEN ? `#${digest(token).toString('base64url')}` : token, 1)
  }

  done(): Buffer {
    return this.#bytes.subarray(0, this.#at)
  }
}

/** One id as scripts read a batch of them. */
export function idArg(id: string): Buffer {
  return new Writer(64).id(id).done()
}

function nibble(code: number): number {
  return code < 58 ? code - 48 : code - 87
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest().subarray(0, 16)
}

function isHashed(id: string): boolean {
  return id.length > LONGEST_ID || (id.length * 3 > LONGEST_ID && Buffer.byteLength(id) > LONGEST_ID)
}

/**
 * The form of an id inside the store, different for different ids: 16 bytes for a UUID in its usual writing, a marked
 * text, or a digest of a long text.
 */
export function idBytes(id: string): Buffer {
  if (id.length === 36 && UUID.test(id)) return Buffer.from(id.replaceAll('-', ''), 'hex')
  if (isHashed(id)) return Buffer.concat([Buffer.from('#'), digest(id)])
  const marked = Buffer.from(`:${id}`)
  // 16 bytes are a UUID
  return marked.length === 16 ? Buffer.from(`;${id};`) : marked
}

/** The id of a stored form; `full` is the text kept beside a digest. */
export function idOf(stored: Buffer, full: string): string {
  if (full !== '') return full
  if (stored.length === 16) {
    const hex = stored.toString('hex')
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
  }
  return stored[0] === 0x3b && stored.length === 17 ? stored.toString('utf8', 1, 16) : stored.toString('utf8', 1)
}

/** Reads fields one after the other. */
export class Reader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  u8(): number {
    return this.#bytes.readUInt8(this.#at++)
  }

  u16(): number {
    this.#at += 2
    return this.#bytes.readUInt16BE(this.#at - 2)
  }

  u24(): number {
    this.#at += 3
    return this.#bytes.readUIntBE(this.#at - 3, 3)
  }

  u32(): number {
    this.#at += 4
    return this.#bytes.readUInt32BE(this.#at - 4)
  }

  time(): number {
    this.#at += 6
    return this.#bytes.readIntBE(this.#at - 6, 6)
  }

  text(lengthBytes: 1 | 2 | 4): string {
    const length = this.#bytes.readUIntBE(this.#at, lengthBytes)
    const start = this.#at + lengthBytes
    this.#at = start + length
    return this.#bytes.toString('utf8', start, this.#at)
  }

  rest(): string {
    return this.#bytes.toString('utf8', this.#at)
  }
}
