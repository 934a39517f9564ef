// How a job is called: logical ids, and the backend ids made of (id, generation, arm).

import { createHash, randomFillSync } from 'node:crypto'
import { v7 } from 'uuid'
import { CutoverError } from './errors.ts'
import type { Arm } from './job.ts'

/** Longest id of a user's own, in UTF-8 bytes. */
export const MAX_ID_BYTES = 1024

/** Randomness is drawn for many ids at once: a draw costs more than the rest of an id. */
const POOL = Buffer.alloc(16 * 256)
let drawn = POOL.length
let lastMs = 0
let sequence = -1

function random(bytes: number): Buffer {
  if (drawn + bytes > POOL.length) {
    randomFillSync(POOL)
    drawn = 0
  }
  drawn += bytes
  return POOL.subarray(drawn - bytes, drawn)
}

/** A token for one claim: 48 bits, told apart only from the other claims of the same job. */
export function newToken(): string {
  return random(6).toString('base64url')
}

/**
 * A new logical id: UUID version 7, in time order also within a millisecond, so that stores append them. Its counter
 * begins anywhere and goes on from id to id, whatever the time: a store that wants ids of one time together goes by it.
 */
export function newId(): string {
  const bytes = random(16)
  // begun low enough to go up for a long time
  sequence = sequence < 0 ? bytes.readUInt32LE(0) >>> 8 : (sequence + 1) % 2 ** 32
  lastMs = Math.max(lastMs, Date.now())
  return v7({ random: bytes, msecs: lastMs, seq: sequence })
}

/** Refuses what cannot be an id (`id-invalid`). Any text will do otherwise: numeric, with `:`, unicode. */
export function checkId(id: unknown): asserts id is string {
  const wrong =
    typeof id !== 'string'
      ? `is a ${typeof id}`
      : id === ''
        ? 'is empty'
        : Buffer.byteLength(id) > MAX_ID_BYTES
          ? `has ${Buffer.byteLength(id)} bytes`
          : !id.isWellFormed() || id.includes('\0')
            ? 'has a lone surrogate or a null character'
            : undefined
  if (wrong !== undefined) {
    throw new CutoverError('id-invalid', `the id ${wrong}; an id is a text of 1 to ${MAX_ID_BYTES} bytes in UTF-8`)
  }
}

const PLAIN = /^[A-Za-z0-9_-]{1,80}$/

/**
 * The backend's id: letters, digits, `_` and `-` only, never all digits, at most 120 characters, so that every backend
 * accepts it. A plain id is readable in it, another one stands as its hash. There and back is simply another
 * generation, so records left on the first side do not answer `duplicate`.
 */
export function backendIdOf(id: string, gen: number, arm: Arm): string {
  const name = PLAIN.test(id) ? `c-${id}` : `x-${createHash('sha256').update(id).digest('base64url')}`
  return arm === 'primary' ? `${name}_${gen}` : `${name}_${arm === 'shadow' ? 's' : 'k'}`
}

/** Whether this is one of {@link backendIdOf} for `id`, of whatever generation: nobody else's job has it. */
export function isOwnBackendId(id: string, backendId: string): boolean {
  return backendId.startsWith(backendIdOf(id, 0, 'primary').slice(0, -1))
}

/**
 * The logical id of a job that old code put into a queue, the same at every delivery. With the time at which it was put
 * there: old code may use an id again as soon as its job is done, and that is another job.
 */
export function adoptedId(side: string, backendId: string, enqueuedAt: number | undefined): string {
  return `adopted:${side}:${enqueuedAt?.toString(36) ?? ''}:${backendId}`
}

/** The backend's own id in an {@link adoptedId}. */
export function backendIdOfAdopted(id: string): string {
  return id.split(':').slice(3).join(':')
}
