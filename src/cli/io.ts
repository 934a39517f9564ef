// What a command is given and what it answers: streams in, one answer out. Nothing here touches `process`.

import type { Pen } from './pen.ts'

export interface Sink {
  write(text: string): unknown
}

/** Everything of the outside world that a command may use. */
export interface Io {
  readonly stdout: Sink
  readonly stderr: Sink
  readonly cwd: string
  readonly env: Readonly<Record<string, string | undefined>>
  /** Whether standard output is a terminal. */
  readonly isTTY: boolean
  /** Its width and height. */
  readonly columns?: number
  readonly rows?: number
  /** Standard error, where it is a terminal: for bars. */
  readonly terminal?: NodeJS.WriteStream
  /** From its first call on, Ctrl-C asks for an orderly end by this signal; a second one ends the program. */
  readonly interrupt?: () => AbortSignal
}

export const EXIT = Object.freeze({
  ok: 0,
  error: 1,
  usage: 2,
  /** Not yet: evidence is missing, or not everybody has obeyed. */
  hold: 3,
  /** Evidence against. */
  fail: 4,
} as const)
export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

/** What a command answers; `json` with `--json`, else `text`. */
export interface Answer {
  /** Default `EXIT.ok`. */
  readonly exit?: ExitCode
  readonly json: unknown
  readonly text: (pen: Pen) => string
}

/** Options that every command takes. */
export interface GlobalOptions {
  readonly json?: boolean
  readonly config?: string
  readonly color?: boolean
  readonly debug?: boolean
}

/** One call of a command. */
export interface Call<O = object> {
  readonly io: Io
  readonly options: GlobalOptions & O
  /** The arguments in order. */
  readonly args: readonly (string | undefined)[]
  /** Tells on standard error what is going on, at once. */
  readonly note: (text: string) => void
}
