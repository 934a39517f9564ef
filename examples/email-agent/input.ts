// Which e-mails does the demo work on? Any folder of `.eml` files, in the order of their names, and as many copies of
// them as are asked for. The same folder gives the same jobs with the same ids, every time.
//
// A payload is JSON, a message is bytes: `raw` holds it as latin1 text, one character (U+0000 to U+00FF) a byte. That
// is exact in both directions, a third shorter than base64 for ordinary mail, and can be read in the queue.

import { readdirSync, readFileSync, statSync } from 'node:fs'
import { basename, extname, join } from 'node:path'
import { addressParser } from 'postal-mime'
import { CutoverError } from '../../src/vocabulary/errors.ts'
import { rawHeader } from './raw-headers.ts'
import type { EmailJob } from './types.ts'

/** All `.eml` files directly in `dir`, sorted by name (by code unit, whatever the locale). */
export function readEmails(dir: string): EmailJob[] {
  const names = listFolder(dir)
  const files = names.filter((name) => extname(name).toLowerCase() === '.eml' && statSync(join(dir, name)).isFile())
  if (files.length === 0) {
    throw new CutoverError(
      'usage',
      `no .eml files in ${dir} (${names.length} other entries; folders inside it are not searched). ` +
        'Save messages there as raw text, one a file, or leave --input out to use the samples.',
      { details: { dir } },
    )
  }
  return files.sort().map((name) => {
    const raw = readFileSync(join(dir, name)).toString('latin1')
    return { name, mailbox: mailboxOf(raw, name), raw }
  })
}

/** The message's bytes again. */
export function bytesOf(email: Pick<EmailJob, 'raw'>): Buffer {
  return Buffer.from(email.raw, 'latin1')
}

export interface MultiplyOptions {
  /** How many jobs are wanted; the e-mails are repeated, or cut, to that number. */
  readonly jobs: number
  /** Over how many made-up mailboxes the jobs are spread; without it each copy keeps its e-mail's own. */
  readonly mailboxes?: number
  /** What the ids begin with: one for each run against the same ledger, because an id is used once. `mail` unless given. */
  readonly prefix?: string
}

/**
 * Jobs with ids `PREFIX-000000`, `PREFIX-000001`, …. Job *i* goes to mailbox *i* modulo their number, and a mailbox
 * gets one e-mail after the other, so mailboxes and e-mails are used evenly and independent of each other.
 */
export function multiply(
  emails: readonly EmailJob[],
  { jobs, mailboxes, prefix = 'mail' }: MultiplyOptions,
): { readonly id: string; readonly email: EmailJob }[] {
  refuseUnlessCount('jobs', jobs)
  if (mailboxes !== undefined) refuseUnlessCount('mailboxes', mailboxes)
  const lap = mailboxes ?? emails.length
  return Array.from({ length: jobs }, (_, index) => {
    const box = index % lap
    const email = emails[mailboxes === undefined ? box : (box + Math.floor(index / lap)) % emails.length]
    if (email === undefined) throw new CutoverError('usage', 'multiply: there are no e-mails to repeat')
    const id = `${prefix}-${String(index).padStart(6, '0')}`
    return { id, email: mailboxes === undefined ? email : { ...email, mailbox: madeUpMailbox(box) } }
  })
}

function madeUpMailbox(index: number): string {
  return `box-${String(index).padStart(5, '0')}@mail.example`
}

function refuseUnlessCount(name: string, value: number): void {
  if (Number.isInteger(value) && value >= 1) return
  throw new CutoverError('usage', `${name}: ${value} is not a number of ${name}; give a whole number from 1 on`)
}

/** Who got it: Delivered-To, else the first address of To, else the name of the file. */
function mailboxOf(raw: string, name: string): string {
  for (const header of ['delivered-to', 'to']) {
    const value = rawHeader(raw, header)
    const first = value === null ? undefined : addressParser(value, { flatten: true }).find(({ address }) => address)
    if (first?.address) return first.address.toLowerCase()
  }
  return basename(name, extname(name))
}

function listFolder(dir: string): string[] {
  try {
    return readdirSync(dir)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    const why = code === 'ENOENT' ? 'there is no such folder' : code === 'ENOTDIR' ? 'it is not a folder' : `${code}`
    throw new CutoverError('usage', `cannot read e-mails from ${dir}: ${why}. Name a folder with .eml files in it.`, {
      cause: error,
      details: { dir },
    })
  }
}
