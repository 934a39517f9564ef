// How far is it? A bar on a terminal, a line a stage elsewhere, nothing when only JSON is wanted. All of it on standard
// error: standard output is for the report.

import { SingleBar } from 'cli-progress'
import type { ReportModel } from '../../../src/index.ts'

export interface Progress {
  /** A line that stays. */
  say(line: string): void
  /** What the ledger tells now. */
  show(model: ReportModel, stage: string): void
  end(): void
}

export function createProgress({ json, total }: { readonly json: boolean; readonly total: number }): Progress {
  if (json) return { say: () => {}, show: () => {}, end: () => {} }
  return process.stderr.isTTY ? new Bar(total) : new Lines()
}

/** Sums over the migrations. */
export function sums({ migrations }: ReportModel): { done: number; target: number; compared: number; differ: number } {
  const sum = (of: (migration: ReportModel['migrations'][number]) => number): number =>
    migrations.reduce((before, migration) => before + of(migration), 0)
  return {
    done: sum(({ jobs }) => jobs.done + jobs.failed + jobs.cancelled),
    target: sum(({ sides }) => sides.target.done),
    compared: sum(({ comparisons }) => comparisons.compared),
    differ: sum(({ comparisons }) => comparisons.mismatched),
  }
}

class Bar implements Progress {
  readonly #bar: SingleBar

  constructor(total: number) {
    const format = '{bar} {value}/{total} done  {stage}  {target} on target, {compared} compared, {differ} differ'
    const options = { format, barsize: 24, hideCursor: true, barCompleteChar: '█', barIncompleteChar: '░' }
    this.#bar = new SingleBar({ ...options, linewrap: false })
    this.#bar.start(total, 0, { stage: 'starting', target: 0, compared: 0, differ: 0 })
  }

  say(line: string): void {
    // over the bar's line, which is drawn again below
    process.stderr.write(`\r\u001b[K${line}\n`)
    this.#bar.render()
  }

  show(model: ReportModel, stage: string): void {
    const { done, ...rest } = sums(model)
    this.#bar.update(done, { ...rest, stage: stage.padEnd('target 100%'.length) })
  }

  end(): void {
    this.#bar.stop()
  }
}

class Lines implements Progress {
  readonly #began = performance.now()
  #stage: string | undefined

  say(line: string): void {
    process.stderr.write(`${this.#seconds()}  ${line}\n`)
  }

  show(model: ReportModel, stage: string): void {
    if (stage === this.#stage) return
    this.#stage = stage
    const { done, target, compared, differ } = sums(model)
    this.say(
      `${stage.padEnd('target 100%'.length)}  ${done} done, ${target} on target, ${compared} compared, ${differ} differ`,
    )
  }

  end(): void {}

  #seconds(): string {
    return `${((performance.now() - this.#began) / 1000).toFixed(1).padStart(5)} s`
  }
}
