// How will the new worker read a message? With `postal-mime`: its own output, put into the shape of `ParsedEmail`,
// nothing repaired on the way.

import { createHash } from 'node:crypto'
import PostalMime, { type Address, type Email } from 'postal-mime'
import { fileEmail } from './filing.ts'
import type { EmailAddress, ParsedAttachment, ParsedEmail } from './types.ts'

/** The form that `postal-mime` gives to a date that it could read; anything else is the header as it stands. */
const ISO_DATE = /^[+-]?\d{4,6}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/

export async function parseTarget(raw: Buffer): Promise<ParsedEmail> {
  const mail = await PostalMime.parse(raw)
  const attachments = mail.attachments.map(({ filename, mimeType, content }): ParsedAttachment => {
    const bytes = typeof content === 'string' ? Buffer.from(content) : new Uint8Array(content)
    return { filename, mimeType, size: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') }
  })
  const text = mail.text ?? null
  return {
    messageId: mail.messageId ?? null,
    inReplyTo: mail.inReplyTo ?? null,
    references: mail.references?.split(/\s+/) ?? [],
    from: mail.from === undefined ? null : toAddress(mail.from),
    to: (mail.to ?? []).map(toAddress),
    cc: (mail.cc ?? []).map(toAddress),
    subject: mail.subject ?? null,
    date: mail.date !== undefined && ISO_DATE.test(mail.date) ? mail.date : null,
    text,
    hasHtml: mail.html !== undefined,
    attachments,
    ...fileEmail({
      sender: mail.from?.address ?? null,
      text,
      attachments,
      contentType: (header(mail, 'content-type') ?? '').split(';', 1).join('').trim().toLowerCase(),
      listed: mail.headers.some(({ key }) => key.startsWith('list-')),
      precedence: header(mail, 'precedence'),
      autoSubmitted: header(mail, 'auto-submitted'),
    }),
  }
}

function toAddress({ name, address, group }: Address): EmailAddress {
  return group === undefined ? { name, address } : { name, group: group.map(toAddress) }
}

function header(mail: Email, name: string): string | null {
  return mail.headers.find(({ key }) => key === name)?.value ?? null
}
