// How does today's worker read a message? With `mailparser`: its own output, put into the shape of `ParsedEmail`,
// nothing repaired on the way (an unreadable date, say, is the current time, because that is what it answers).

import { createHash } from 'node:crypto'
import { type AddressObject, type EmailAddress as LegacyAddress, type ParsedMail, simpleParser } from 'mailparser'
import { fileEmail } from './filing.ts'
import type { EmailAddress, ParsedAttachment, ParsedEmail } from './types.ts'

export async function parseLegacy(raw: Buffer): Promise<ParsedEmail> {
  // Two things that this demo does not look at: links made of plain text, and images written into the HTML.
  const mail = await simpleParser(raw, { skipTextToHtml: true, keepCidLinks: true })
  const attachments = mail.attachments.map(
    (attachment): ParsedAttachment => ({
      filename: attachment.filename ?? null,
      mimeType: attachment.contentType,
      size: attachment.content.length,
      sha256: createHash('sha256').update(attachment.content).digest('hex'),
    }),
  )
  const from = mail.from?.value[0]
  const text = mail.text ?? null
  return {
    messageId: mail.messageId ?? null,
    inReplyTo: mail.inReplyTo ?? null,
    references: listOf(mail.references),
    from: from === undefined ? null : toAddress(from),
    to: toAddresses(mail.to),
    cc: toAddresses(mail.cc),
    subject: mail.subject ?? null,
    date: mail.date?.toISOString() ?? null,
    text,
    hasHtml: typeof mail.html === 'string' && mail.html !== '',
    attachments,
    ...fileEmail({
      sender: from?.address ?? null,
      text,
      attachments,
      contentType: contentTypeOf(mail),
      listed: mail.headers.has('list'),
      precedence: textHeader(mail, 'precedence'),
      autoSubmitted: textHeader(mail, 'auto-submitted'),
    }),
  }
}

function toAddresses(header: AddressObject | AddressObject[] | undefined): EmailAddress[] {
  return listOf(header).flatMap(({ value }) => value.map(toAddress))
}

function toAddress({ name, address, group }: LegacyAddress): EmailAddress {
  return group === undefined ? { name, address: address ?? '' } : { name, group: group.map(toAddress) }
}

/** `mailparser` gives a value where a header stood once and a list where it stood more often. */
function listOf<T>(value: T | T[] | undefined): T[] {
  if (value === undefined) return []
  return Array.isArray(value) ? value : [value]
}

function contentTypeOf(mail: ParsedMail): string {
  const header = mail.headers.get('content-type')
  return typeof header === 'object' && 'value' in header && typeof header.value === 'string' ? header.value : ''
}

function textHeader(mail: ParsedMail, name: string): string | null {
  const value = mail.headers.get(name)
  const first = Array.isArray(value) ? value[0] : value
  return typeof first === 'string' ? first : null
}
