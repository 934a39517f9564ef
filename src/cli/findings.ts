// What `check` and `doctor` found: one line each, with advice where something is to be done.

import { type Answer, EXIT } from './io.ts'
import { columns, foreign, type Pen, type Style } from './pen.ts'

export interface Finding {
  /** What it is about: `node`, `ledger`, a migration's name. */
  readonly area: string
  readonly name: string
  readonly status: 'ok' | 'warn' | 'bad'
  readonly text: string
  readonly advice?: string
}

const COLOURS: Readonly<Record<Finding['status'], Style>> = { ok: 'green', warn: 'yellow', bad: 'red' }

/** Collects findings, in order. */
export class Findings {
  readonly all: Finding[] = []

  add(area: string, name: string, status: Finding['status'], text: string, advice?: string): void {
    this.all.push({ area, name, status, text, ...(advice === undefined ? {} : { advice }) })
  }

  get ok(): boolean {
    return this.all.every(({ status }) => status !== 'bad')
  }

  answer(): Answer {
    const count = (status: Finding['status']): number => this.all.filter((each) => each.status === status).length
    const [bad, warn] = [count('bad'), count('warn')]
    return {
      exit: this.ok ? EXIT.ok : EXIT.error,
      json: { ok: this.ok, bad, warn, checks: this.all },
      text: (pen) => `${this.#text(pen)}\n\n${bad} bad, ${warn} to look at, ${count('ok')} ok\n`,
    }
  }

  #text(pen: Pen): string {
    const rows = this.all.map(({ area, name, status, text, advice }) => [
      pen.style(COLOURS[status], status),
      pen.style('dim', foreign(area, 40)),
      foreign(name, 40),
      [...text.split('\n'), ...(advice === undefined ? [] : advice.split('\n').map((line) => `→ ${line}`))]
        .map((line) => foreign(line, 300))
        .join('\n'),
    ])
    return columns(rows)
  }
}
