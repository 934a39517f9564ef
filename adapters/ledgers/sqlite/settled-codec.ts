// A settled row in some fifty bytes: enough to answer repeated calls, to replay the result, to show it.
//
// What it forgets: the producer, the lease, and the token but for a fingerprint by which a repeated call is known.

import type { JobRow, Slots } from '../../../src/ports/ledger.ts'
import type { Json, Outcome, RecordedEffect, SeenTools, StoredError } from '../../../src/vocabulary/outcome.ts'
import { rowOf, statusOf } from './row-codec.ts'

/** Results above this are not kept once they are compared. */
export const RESULT_KEPT_BYTES = 65_536

const OK = 1
const VALUE = 2
const ERROR = 4
const EFFECTS = 8
const MCP = 16

/** `since`: start of the slice; times are written as distances. */
export function packSettled(row: JobRow, since: number): Uint8Array {
  const text = outcomeText(row.slots.primary)
  const numbers = [
    ...[row.gen, row.fails, row.starts, row.maxAttempts, row.stamp.epoch, row.stamp.group],
    zigzag((row.finishedAt ?? since) - since),
    zigzag((row.finishedAt ?? since) - row.stamp.dueAt),
    zigzag((row.finishedAt ?? since) - row.pinnedAt),
    row.startedAt === undefined ? 0 : 1 + zigzag((row.finishedAt ?? since) - row.startedAt),
  ]
  const fingerprint = row.token === undefined ? 0 : tokenPrint(row.token)
  const bytes = Buffer.allocUnsafe(8 + numbers.length * 8 + text.length * 3)
  bytes.writeUInt32LE(statusOf(row), 0)
  bytes.writeUInt32LE(fingerprint, 4)
  let at = 8
  for (const n of numbers) at = writeVarint(bytes, at, n)
  at += bytes.write(text, at)
  return bytes.subarray(0, at)
}

/** `token`: of the call in hand; it stands in the row when it has the fingerprint of the stored one. */
export function unpackSettled(id: string, packed: Uint8Array, since: number, token?: string): JobRow {
  const bytes = Buffer.from(packed.buffer, packed.byteOffset, packed.byteLength)
  const reader = { bytes, at: 8 }
  const next = (): number => readVarint(reader)
  const [gen, fails, starts, maxAttempts, epoch, group] = [next(), next(), next(), next(), next(), next()]
  const finishedAt = since + unzigzag(next())
  const dueAt = finishedAt - unzigzag(next())
  const pinnedAt = finishedAt - unzigzag(next())
  const started = next()
  const startedAt = started === 0 ? undefined : finishedAt - unzigzag(started - 1)
  const fingerprint = bytes.readUInt32LE(4)
  const same = token !== undefined && fingerprint !== 0 && tokenPrint(token) === fingerprint
  const numbers = { gen, fails, starts, maxAttempts, epoch, group, finishedAt, dueAt, pinnedAt, startedAt }
  return rowOf(
    id,
    bytes.readUInt32LE(0),
    { ...numbers, leaseUntil: 0, lostAt: undefined },
    { token: same ? token : undefined, slots: slotsOf(bytes.toString('utf8', reader.at)) },
  )
}

function outcomeText(outcome: Outcome | undefined): string {
  if (outcome === undefined) return ''
  const { ok, value, error, effects, mcp, waitMs, runMs, attempts, version } = outcome
  const flags =
    (ok ? OK : 0) |
    (value === undefined ? 0 : VALUE) |
    (error === undefined ? 0 : ERROR) |
    (effects.length === 0 ? 0 : EFFECTS) |
    (mcp === undefined ? 0 : MCP)
  const parts: unknown[] = [flags, waitMs, runMs, attempts, version]
  if (value !== undefined) parts.push(value)
  if (error !== undefined) parts.push(error)
  if (effects.length > 0) parts.push(effects)
  if (mcp !== undefined) parts.push(mcp)
  const text = JSON.stringify(parts)
  // three bytes a character is the most that UTF-8 needs
  const large = text.length * 3 > RESULT_KEPT_BYTES && Buffer.byteLength(text) > RESULT_KEPT_BYTES
  return large ? '' : text.slice(1, -1)
}

function slotsOf(text: string): Slots {
  if (text === '') return {}
  const parts = JSON.parse(`[${text}]`) as [number, number, number, number, string, ...unknown[]]
  const [flags, waitMs, runMs, attempts, version] = parts
  let at = 5
  const primary: Outcome = {
    ok: (flags & OK) !== 0,
    ...(flags & VALUE ? { value: parts[at++] as Json } : {}),
    ...(flags & ERROR ? { error: parts[at++] as StoredError } : {}),
    effects: flags & EFFECTS ? (parts[at++] as RecordedEffect[]) : [],
    ...(flags & MCP ? { mcp: parts[at++] as SeenTools } : {}),
    ...{ waitMs, runMs, attempts, version },
  }
  return { primary }
}

/** 32 bits of FNV-1a, never 0. */
function tokenPrint(token: string): number {
  let hash = 0x811c9dc5
  for (let at = 0; at < token.length; at++) hash = Math.imul(hash ^ token.charCodeAt(at), 0x01000193)
  return hash >>> 0 || 1
}

function zigzag(value: number): number {
  const whole = Math.round(value)
  return whole >= 0 ? whole * 2 : -whole * 2 - 1
}
function unzigzag(value: number): number {
  return value % 2 === 0 ? value / 2 : -(value + 1) / 2
}

function writeVarint(bytes: Buffer, start: number, value: number): number {
  let at = start
  let rest = value
  // not with shifts: times need more than 32 bits
  while (rest >= 128) {
    bytes[at++] = (rest % 128) + 128
    rest = Math.floor(rest / 128)
  }
  bytes[at++] = rest
  return at
}

function readVarint(reader: { readonly bytes: Buffer; at: number }): number {
  let value = 0
  for (let scale = 1; ; scale *= 128) {
    const byte = reader.bytes[reader.at++] ?? 0
    value += (byte & 127) * scale
    if (byte < 128) return value
  }
}
