// A view that is drawn again and again until somebody stops it: in place on a terminal, one below the other elsewhere.

import { setTimeout as delay } from 'node:timers/promises'
import { failureOf } from './failure.ts'
import type { Call } from './io.ts'
import { type Pen, penOf } from './pen.ts'

const OWN_SCREEN = '\u001b[?1049h\u001b[?25l'
const BACK = '\u001b[?25h\u001b[?1049l'
const HOME = '\u001b[H'
const CLEAR_LINE = '\u001b[K'
const CLEAR_BELOW = '\u001b[J'

/** Draws `frame` every `everyMs`; a look that fails is told in the place of the view. Ends with the last view. */
export async function watch(call: Call, everyMs: number, frame: (pen: Pen) => Promise<string>): Promise<string> {
  const { io, options } = call
  const stop = io.interrupt?.() ?? new AbortController().signal
  if (io.isTTY) io.stdout.write(OWN_SCREEN)
  let last = ''
  try {
    for (;;) {
      const pen = penOf(io, options)
      const seen = await look(frame, pen)
      if (io.isTTY) io.stdout.write(screen(seen, io.rows ?? 40))
      else if (seen !== last) io.stdout.write(`${seen}\n`)
      last = seen
      if (stop.aborted) return io.isTTY ? last : ''
      await delay(everyMs, undefined, { signal: stop }).catch(() => {}) // stopped: one view more, and out
    }
  } finally {
    if (io.isTTY) io.stdout.write(BACK)
  }
}

async function look(frame: (pen: Pen) => Promise<string>, pen: Pen): Promise<string> {
  try {
    return await frame(pen)
  } catch (error) {
    const { code, message } = failureOf(error)
    return `${pen.style('red', 'cannot look now')}: ${message} [${code}]\n`
  }
}

/** Over what was there, so that nothing flickers; what does not fit is said. */
function screen(text: string, rows: number): string {
  const lines = text.trimEnd().split('\n')
  const shown = lines.length < rows ? lines : [...lines.slice(0, rows - 2), `… ${lines.length - rows + 2} more lines`]
  return `${HOME}${shown.map((line) => `${line}${CLEAR_LINE}`).join('\n')}\n${CLEAR_BELOW}`
}
