// Where does it hang, or where did it break? One sentence in plain words first, then what was seen. Pure.

import type { ProbeFailure, ProbePlaceOfHang } from '../vocabulary/probe.ts'
import type { McpPhase } from './config.ts'
import type { Detail } from './forensics.ts'
import type { ServerExit } from './stdio.ts'
import type { Look } from './watch-protocol.ts'

export interface HangFacts {
  readonly failure: ProbeFailure
  readonly message: string
  readonly phase: McpPhase
  readonly tookMs: number
  readonly looks: readonly Look[]
  readonly exit?: ServerExit | undefined
  /** Last bytes of standard error, first bytes that were no messages. */
  readonly stderr: string
  readonly noise: string
  readonly started: boolean
  /** The server's processes before they were killed. */
  readonly before?: Detail | undefined
  /** Of this process, when a phase was not over in time. */
  readonly resources?: readonly string[] | undefined
  readonly pending?: readonly string[] | undefined
}

export function placeOfHang(facts: HangFacts): ProbePlaceOfHang {
  return { sentence: sentenceOf(facts), details: detailsOf(facts) }
}

const seconds = (ms: number): string => `${(ms / 1000).toFixed(ms < 100 ? 2 : 1)} s`

function sentenceOf({ failure, message, phase, tookMs, looks, exit }: HangFacts): string {
  const [look] = looks
  switch (failure) {
    case 'spawn-blocked': {
      if (look?.kind !== 'spawn-blocked')
        return `The creation of the child process did not return for ${seconds(tookMs)}.`
      const what = 'the child was forked and never reached exec. Killing that child let it go on'
      return `The event loop stood still inside child_process.spawn for ${seconds(look.silentMs)}: ${what}.`
    }
    case 'loop-blocked': {
      const where = look?.inside === undefined ? '' : ` inside ${look.inside}`
      return `The event loop stood still${where} for ${seconds(look?.silentMs ?? tookMs)}, in phase ${phase}: no time-out in it could fire.`
    }
    case 'crashed':
      return `The server ended by itself (${exitText(exit)}) ${seconds(tookMs)} into phase ${phase}.`
    case 'no-initialize':
      return `The server is there and did not answer "initialize" for ${seconds(tookMs)}.`
    case 'timeout-list':
      return `The server is initialized and did not finish listing its tools for ${seconds(tookMs)}.`
    case 'timeout-call':
      return `The server lists its tools and did not answer the sample call for ${seconds(tookMs)}.`
    case 'sse-no-endpoint':
      return `The event stream did not name its endpoint: ${message}.`
    default:
      return `It broke in phase ${phase}: ${message}.`
  }
}

function exitText(exit: ServerExit | undefined): string {
  if (exit === undefined) return 'its streams closed'
  return exit.signal === null ? `exit code ${exit.code}` : `signal ${exit.signal}`
}

const LINES = 12

function detailsOf(facts: HangFacts): readonly Detail[] {
  // where the event loop stood still, what came of the server afterwards says nothing
  if (facts.looks.length > 0) return facts.looks.flatMap((look) => look.details)
  const details: Detail[] = []
  const { exit, stderr, noise, started, before, resources, pending } = facts
  if (started && exit !== undefined) details.push({ what: 'its end', lines: [exitText(exit)] })
  if (started && before !== undefined) details.push(before)
  const said = lastLines(stderr)
  if (started) details.push({ what: 'last lines of its standard error', lines: said.length === 0 ? ['none'] : said })
  if (noise !== '') details.push({ what: 'on its standard output instead of messages', lines: [noise] })
  if (resources !== undefined) details.push({ what: 'what this process waits for', lines: resources })
  if (pending !== undefined)
    details.push({ what: 'promises that are pending, by where they were made', lines: pending })
  return details
}

function lastLines(text: string): readonly string[] {
  const lines = text.split('\n').filter((line) => line.trim() !== '')
  return lines.slice(-LINES).map((line) => line.slice(0, 300))
}

/** `['PipeWrap', 'PipeWrap', 'Timeout']` → `2 × PipeWrap`, … */
export function countResources(names: readonly string[]): readonly string[] {
  const counts = new Map<string, number>()
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1)
  return [...counts].toSorted(([, a], [, b]) => b - a).map(([name, n]) => `${n} × ${name}`)
}
