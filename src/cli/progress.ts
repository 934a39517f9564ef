// How far is it? A bar on a terminal, a line now and then in a log, nothing with `--json`. All of it on standard error.

import { SingleBar } from 'cli-progress'
import { formatCount } from '../report/format.ts'
import type { Call } from './io.ts'

export interface Progress {
  /** `done` of `total` so far; `total` may grow. `note`: a few words behind it. */
  update(done: number, total: number, note?: string): void
  /** A line that stays. */
  say(line: string): void
  end(): void
}

const LINE_EVERY_MS = 5000

/** `what` is counted, e.g. `jobs`. */
export function progressOf(call: Pick<Call, 'io' | 'options' | 'note'>, what: string): Progress {
  if (call.options.json === true) return { update: () => {}, say: () => {}, end: () => {} }
  const { terminal } = call.io
  return terminal === undefined ? new Lines(call.note, what) : new Bar(terminal, what)
}

/** Done a second since the beginning. */
class Rate {
  readonly #began = performance.now()

  text(done: number, total: number): string {
    const seconds = (performance.now() - this.#began) / 1000
    if (done === 0 || seconds < 0.5) return ''
    const rate = done / seconds
    const left = Math.max(0, total - done) / rate
    return `${formatCount(Math.round(rate))}/s, ${left < 1 ? 'about done' : `${formatCount(Math.ceil(left))} s left`}`
  }
}

class Bar implements Progress {
  readonly #bar: SingleBar
  readonly #rate = new Rate()
  readonly #terminal: NodeJS.WriteStream

  constructor(terminal: NodeJS.WriteStream, what: string) {
    this.#terminal = terminal
    const format = `{bar} {value}/{total} ${what}  {rate}  {note}`
    const look = { barsize: 24, hideCursor: true, barCompleteChar: '█', barIncompleteChar: '░' }
    this.#bar = new SingleBar({ format, ...look, stream: terminal, linewrap: false, noTTYOutput: false })
    this.#bar.start(0, 0, { rate: '', note: '' })
  }

  update(done: number, total: number, note = ''): void {
    this.#bar.setTotal(Math.max(total, done))
    this.#bar.update(done, { rate: this.#rate.text(done, total), note })
  }

  say(line: string): void {
    // over the bar's line, which is drawn again below
    this.#terminal.write(`\r\u001b[K${line}\n`)
    this.#bar.render()
  }

  end(): void {
    this.#bar.stop()
  }
}

class Lines implements Progress {
  readonly #note: (text: string) => void
  readonly #what: string
  readonly #rate = new Rate()
  #told = performance.now()

  constructor(note: (text: string) => void, what: string) {
    this.#note = note
    this.#what = what
  }

  update(done: number, total: number, note = ''): void {
    if (performance.now() - this.#told < LINE_EVERY_MS) return
    this.#told = performance.now()
    const parts = [`${formatCount(done)} of ${formatCount(total)} ${this.#what}`, this.#rate.text(done, total), note]
    this.#note(parts.filter((part) => part !== '').join(', '))
  }

  say(line: string): void {
    this.#note(line)
  }

  end(): void {}
}
