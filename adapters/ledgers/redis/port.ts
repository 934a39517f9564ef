// What every part of a migration's ledger stands on: scripts run on the migration's keys with its settings, large
// batches in several calls, none of which holds the server for long.

import type { LedgerSettings } from '../../../src/ports/ledger.ts'
import type { Connection, ScriptArgs } from './connection.ts'
import type { Script } from './scripts.ts'
import { Reader, Writer } from './wire.ts'

/** Items and bytes of one call: a few ms of the server's time. */
const CHUNK_ITEMS = 250
const CHUNK_BYTES = 1_000_000

export interface Port {
  readonly migration: string
  readonly settings: LedgerSettings
  run(script: Script, args: ScriptArgs | ((repeated: boolean) => ScriptArgs)): Promise<unknown>
  /** In front of every script's own arguments. */
  readonly head: readonly string[]
  readonly key: string
}

export function portOf(connection: Connection, key: string, migration: string, settings: LedgerSettings): Port {
  const { bucketMs, slackMs, deadlineMs, retainMs } = settings
  const head = [bucketMs, slackMs, deadlineMs, retainMs].map(String)
  return {
    migration,
    settings,
    head,
    key,
    run: (script, args) =>
      connection.run(
        script,
        key,
        typeof args === 'function' ? (again) => [...head, ...args(again)] : [...head, ...args],
      ),
  }
}

export interface Batch<Item, Answer> {
  readonly script: Script
  readonly items: readonly Item[]
  readonly idOf: (item: Item) => string
  /** What follows the id. */
  readonly write: (writer: Writer, item: Item, repeated: boolean) => void
  /** Arguments after the batch. */
  readonly more?: readonly string[]
  readonly read: (reply: unknown, chunk: readonly Item[]) => readonly Answer[]
}

/** Runs a batch in chunks that overlap on one connection; answers in the order of the items. */
export async function runBatch<Item, Answer>(port: Port, batch: Batch<Item, Answer>): Promise<readonly Answer[]> {
  const { items } = batch
  if (items.length === 0) return []
  const parts: Promise<readonly Answer[]>[] = []
  for (let from = 0; from < items.length; ) {
    const first = pack(batch, from, CHUNK_ITEMS, false)
    const chunk = from === 0 && first.to === items.length ? items : items.slice(from, first.to)
    const more = batch.more ?? []
    const args = (repeated: boolean): ScriptArgs => {
      const { ids, rest } = repeated ? pack({ ...batch, items: chunk }, 0, chunk.length, true) : first
      return [ids, rest, ...more]
    }
    parts.push(port.run(batch.script, args).then((reply) => batch.read(reply, chunk)))
    from = first.to
  }
  if (parts.length === 1) return (await parts[0]) ?? []
  return (await Promise.all(parts)).flat()
}

/** Ids and the rest of the items from `from` on, up to `most` of them or `CHUNK_BYTES`. */
export function pack<Item, Answer>(
  { items, idOf, write }: Batch<Item, Answer>,
  from: number,
  most: number,
  repeated: boolean,
): { to: number; ids: Buffer; rest: Buffer } {
  const size = Math.min(items.length - from, most)
  const [ids, rest] = [new Writer(size * 20), new Writer(size * 100)]
  let to = from
  while (to < items.length && to - from < most && (repeated || rest.length < CHUNK_BYTES)) {
    const item = items[to++] as Item
    ids.id(idOf(item))
    write(rest, item, repeated)
  }
  return { to, ids: ids.done(), rest: rest.done() }
}

// ------------------------------------------------------------------------------------------------------- replies

/** A script's answer of now, one letter an item and the packed rest. */
export function lettered(reply: unknown): { now: number; letters: string; rest: Reader } {
  const [now, letters, rest] = reply as [Buffer, Buffer, Buffer]
  return { now: Number(now.toString('latin1')), letters: letters.toString('latin1'), rest: new Reader(rest) }
}

/** One `1` or `0` an item. */
export function booleans(reply: unknown): readonly boolean[] {
  return Array.from((reply as Buffer).toString('latin1'), (letter) => letter === '1')
}

export function texts(reply: unknown): readonly string[] {
  return (reply as readonly Buffer[]).map((each) => each.toString('utf8'))
}

/** Field and value in turn. */
export function fields(reply: unknown): ReadonlyMap<string, string> {
  const flat = texts(reply)
  const map = new Map<string, string>()
  for (let i = 0; i + 1 < flat.length; i += 2) map.set(flat[i] ?? '', flat[i + 1] ?? '')
  return map
}
