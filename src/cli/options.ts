// Options that several commands share, and how their values are read.

import { type Command, InvalidArgumentError } from 'commander'
import { parseShare } from '../vocabulary/dials.ts'
import { parseDuration } from '../vocabulary/duration.ts'
import { CutoverError } from '../vocabulary/errors.ts'
import { SIDES, type Side } from '../vocabulary/job.ts'

/** A parser whose refusal is a wrong usage. */
function reading<T>(read: (text: string) => T): (text: string) => T {
  return (text) => {
    try {
      return read(text)
    } catch (error) {
      if (error instanceof CutoverError) throw new InvalidArgumentError(error.message)
      throw error
    }
  }
}

export const share = (option: string): ((text: string) => number) => reading((text) => parseShare(text, option))
export const duration = (option: string): ((text: string) => number) => reading((text) => parseDuration(text, option))

/** A whole number from 1. */
export function count(text: string): number {
  const n = Number(text)
  if (!Number.isInteger(n) || n < 1) throw new InvalidArgumentError('write a whole number from 1.')
  return n
}

/** `legacy` or `target`. */
export function side(text: string): Side {
  const found = SIDES.find((each) => each === text)
  if (found === undefined) throw new InvalidArgumentError(`write one of: ${SIDES.join(', ')}.`)
  return found
}

/** `--by` and `--why`, for what changes something. */
export function addWho(command: Command): Command {
  return command
    .option('--by <who>', 'who does this, for the audit log (default: user@host)', notEmpty)
    .option('--why <reason>', 'why, for the audit log', notEmpty)
}

function notEmpty(text: string): string {
  if (text.trim() === '') throw new InvalidArgumentError('write a text.')
  return text
}

export const NAME_HELP = 'the migration; may be left out where the configuration has just one'

/** Examples at the end of a command's help. */
export function examples(lines: readonly string[]): string {
  return `\nExamples:\n${lines.map((line) => `  $ ${line}`).join('\n')}`
}
