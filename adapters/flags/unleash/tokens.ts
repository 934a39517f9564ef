// Where does a token come from, and how is it kept out of every text? It is read when it is needed, never stored and
// never told: what a server says back is scrubbed before anybody sees it.

import { readFileSync } from 'node:fs'
import { CutoverError, isCutoverError } from '../../../src/vocabulary/errors.ts'

/** A token as it is configured: itself (`process.env.X`), the name of an environment variable, or a file. */
export type TokenOption = string | { readonly env: string } | { readonly file: string }

/** A token that can be asked for. */
export interface Token {
  /** Where it comes from, for people: `UNLEASH_TOKEN`, `/run/secrets/token`. */
  readonly from: string
  /** Reads it anew: a file may have been replaced. `flag-unavailable` where it is missing or empty. */
  read(): string
}

export function tokenOf(option: TokenOption, where: string): Token {
  if (typeof option === 'string') return fixed(option, where)
  if (typeof option === 'object' && option !== null) {
    if ('env' in option && isText(option.env)) return fromEnvironment(option.env, where)
    if ('file' in option && isText(option.file)) return fromFile(option.file, where)
  }
  throw new CutoverError(
    'option-invalid',
    `${where}: must be a token, { env: 'NAME' } or { file: 'path' }; take it from the environment or a file, not from the code`,
    { details: { option: where } },
  )
}

function fixed(value: string, where: string): Token {
  return { from: where, read: () => checked(value, where, `set ${where}, or leave it out to use the variable`) }
}

function fromEnvironment(name: string, where: string): Token {
  const from = `the variable ${name}`
  return { from, read: () => checked(process.env[name] ?? '', from, `set ${name}, or give ${where}`) }
}

function fromFile(path: string, where: string): Token {
  return {
    from: path,
    read: () => {
      let text: string
      try {
        text = readFileSync(path, 'utf8')
      } catch (cause) {
        const why = cause instanceof Error ? cause.message : String(cause)
        throw unavailable(`${where}: the token file cannot be read: ${why}`)
      }
      return checked(text.trim(), path, 'write the token into it')
    },
  }
}

/** A header takes visible ASCII only; anything else would be an error of the HTTP library that shows the value. */
function checked(value: string, from: string, advice: string): string {
  if (value === '') throw unavailable(`there is no Unleash token in ${from}: ${advice}`)
  if (!/^[\x21-\x7e]{1,500}$/.test(value)) {
    throw unavailable(`the Unleash token in ${from} has characters that no token has (a space, a line break?)`)
  }
  return value
}

function unavailable(message: string): CutoverError {
  return new CutoverError('flag-unavailable', message, { details: { missing: 'token' } })
}

/** True where there is no usable token to ask with. */
export function isTokenMissing(error: unknown): boolean {
  return isCutoverError(error) && error.details['missing'] === 'token'
}

/** What the form of a backend token says of it, `project:environment.secret`; its project is `*` or `[]` for several. */
export function scopeOf(token: string): { readonly project: string; readonly environment: string } | undefined {
  const [, project, environment] = /^(\*|\[\]|[^:\s]+):([^.:\s]+)\.[^.]+$/.exec(token) ?? []
  return project === undefined || environment === undefined ? undefined : { project, environment }
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.trim() !== ''
}

/** Anything of the form of an Unleash token, `project:environment.secret`. */
const TOKEN = /(?:\*|[\w-]+):(?:\*|[\w-]+)\.[\w-]{8,}/g

/** A text without this token, and without anything that looks like one. */
export function scrub(text: string, ...tokens: readonly string[]): string {
  let clean = text
  for (const token of tokens) if (token !== '') clean = clean.replaceAll(token, '***')
  return clean.replace(TOKEN, '***')
}
