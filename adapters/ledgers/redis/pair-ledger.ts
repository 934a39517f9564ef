// Comparisons in Redis: verdicts close once; of mismatches, samples and groups of differences are kept.

import type { CompareRequest, PairLedger, Sample } from '../../../src/ports/ledger.ts'
import { type Comparison, groupPath } from '../../../src/vocabulary/comparison.ts'
import { codeOf, ERROR_WORDS, VERDICT_WORDS, WHICH_WORDS } from './codes.ts'
import { booleans, type Port, runBatch } from './port.ts'
import { SCRIPTS } from './scripts.ts'
import { idBytes, Reader, type Writer } from './wire.ts'

type Which = CompareRequest['which']

export function pairLedger(port: Port): PairLedger {
  const idOf = ({ id }: { readonly id: string }): string => id
  const write = (w: Writer, { which }: { readonly which: Which }) => w.u8(codeOf(WHICH_WORDS, which))
  return {
    shed: async (requests) => {
      await runBatch(port, { script: SCRIPTS.shed, items: requests, idOf, write, read: () => [] })
    },
    orphan: (requests) => runBatch(port, { script: SCRIPTS.orphan, items: requests, idOf, write, read: booleans }),
    compare: (requests) =>
      runBatch(port, { script: SCRIPTS.compare, items: requests, idOf, write: writeCompare, read: booleans }),
    samples: async ({ id } = {}) => {
      const reply = (await port.run(SCRIPTS.samples, [id === undefined ? '' : idBytes(id)])) as Buffer[]
      const found: { number: number; sample: Sample }[] = []
      for (let at = 0; at + 1 < reply.length; at += 2) {
        found.push({ number: Number(reply[at]), sample: readSample(reply[at + 1] as Buffer) })
      }
      return found.sort((a, b) => b.number - a.number).map(({ sample }) => sample)
    },
  }
}

function readSample(stored: Buffer): Sample {
  const reader = new Reader(stored)
  const at = reader.time()
  const epoch = reader.u32()
  reader.text(1)
  const { id, which, comparison } = JSON.parse(reader.rest()) as { id: string; which: Which; comparison: Comparison }
  return { id, which, at, epoch, comparison }
}

/** Sample and groups travel with a mismatch only; a group is `which|kind|path`. */
function writeCompare(w: Writer, { id, which, comparison, times }: CompareRequest): void {
  const { class: cls, errors } = comparison
  w.u8(codeOf(WHICH_WORDS, which)).u8(codeOf(VERDICT_WORDS, cls)).u8(codeOf(ERROR_WORDS, errors))
  w.u16(times?.legacy ?? 0).u16(times?.target ?? 0)
  if (cls !== 'mismatched') {
    w.text('', 4).u16(0)
    return
  }
  const groups = new Map<string, string>()
  for (const { path, kind, legacy, target } of comparison.differences) {
    const group = `${which}|${kind}|${groupPath(path)}`
    if (!groups.has(group)) groups.set(group, JSON.stringify({ id, legacy, target }))
  }
  w.text(JSON.stringify({ id, which, comparison }), 4).u16(groups.size)
  for (const [group, example] of groups) w.text(group, 2).text(example, 4)
}
