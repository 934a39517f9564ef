// Do both parsers read every sample, do they read it right where a person has looked, and where do they disagree?

import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { withoutLastLineBreaks } from '../../examples/email-agent/compare.ts'
import { bytesOf, readEmails } from '../../examples/email-agent/input.ts'
import { parseLegacy } from '../../examples/email-agent/parse-legacy.ts'
import { parseTarget } from '../../examples/email-agent/parse-target.ts'
import type { EmailJob, ParsedEmail } from '../../examples/email-agent/types.ts'

const folder = new URL('../../examples/email-agent/emails', import.meta.url).pathname
const samples = readEmails(folder)

function sample(name: string): EmailJob {
  const found = samples.find((email) => email.name === `${name}.eml`)
  if (found === undefined) throw new Error(`no sample ${name}`)
  return found
}

async function both(name: string): Promise<{ legacy: ParsedEmail; target: ParsedEmail }> {
  const raw = bytesOf(sample(name))
  return { legacy: await parseLegacy(raw), target: await parseTarget(raw) }
}

function differingFields(legacy: ParsedEmail, target: ParsedEmail): string[] {
  const fields = Object.keys(legacy) as (keyof ParsedEmail)[]
  return fields.filter((field) => JSON.stringify(legacy[field]) !== JSON.stringify(target[field]))
}

/** The raw text between two marks, each standing once in the sample. */
function between(raw: string, start: string, end: string): string {
  const from = raw.indexOf(start) + start.length
  return raw.slice(from, raw.indexOf(end, from))
}

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')
const office = { name: '', address: 'office@ferry.example' }

describe('samples', () => {
  test('there are at least 34, with fictional senders only', () => {
    expect(samples.length).toBeGreaterThanOrEqual(34)
    for (const { name, raw } of samples) {
      const hosts = [...raw.matchAll(/[\w.-]@([\w-]+(?:\.[\w-]+)+)/g)].map(([, host]) => host)
      for (const host of hosts) expect(host, name).toMatch(/(?:\.example|^example\.(?:org|com))$/)
    }
  })

  test('their bytes have kept their line endings', () => {
    expect(sample('plain-question').raw).toContain('\r\n\r\n')
    expect(sample('broken-bare-lf').raw).not.toContain('\r')
  })

  test.each(samples.map(({ name }) => name))('%s is read by both', async (name) => {
    const { legacy, target } = await both(name.slice(0, -'.eml'.length))
    expect(Object.keys(target)).toEqual(Object.keys(legacy))
  })
})

// Read off the raw messages by a person, with the RFCs beside; both parsers must say the same.
const READ_BY_HAND: Record<string, Partial<ParsedEmail>> = {
  'plain-question': {
    messageId: '<q-2001@harbour.example>',
    date: '2026-10-05T06:12:44.000Z',
    from: { name: 'Mira Lund', address: 'mira@harbour.example' },
    to: [office],
    hasHtml: false,
    folder: 'inbox',
    needsReply: true,
  },
  'plain-statement': { folder: 'inbox', needsReply: false },
  'quoted-printable': {
    from: { name: 'José', address: 'jose@bakery.example' },
    text: '40 crêpes, 12 brötchen and the long rye loaf that does not fit in one line of an e-mail.\nTrailing blanks stay: \n1 + 1 = 2\n',
  },
  'charset-iso-8859-1': { subject: 'Café am Südkai', text: 'Le café du quai sud est fermé. Où est la clé ?\n' },
  'charset-windows-1252': { text: '“Old ferries” – 12 postcards, 9 € the set… \n' },
  'charset-iso-2022-jp': {
    subject: '明日の船',
    from: { name: '港事務所', address: 'minato@minato.example' },
    text: '港の事務所です。明日の船は何時ですか？\n',
    date: '2026-10-11T00:15:00.000Z',
    needsReply: true,
  },
  'charset-koi8-r': { subject: 'Билеты на паром', text: 'Два билета на вечерний паром, пожалуйста.\n' },
  'header-encoded-adjacent': {
    subject: 'Schlüssel übergeben - bitte (today)',
    from: { name: 'ZoëÅngström', address: 'zoe@depot.example' },
    to: [{ name: 'Büro, Fähre', address: 'office@ferry.example' }],
  },
  'header-8bit': { subject: 'Schlüssel für Gäste', from: { name: 'Jürgen Weiß', address: 'juergen@depot.example' } },
  'date-missing': { date: null },
  'date-two-digit-year': { date: '1995-11-14T08:30:00.000Z' },
  'date-obsolete-zone': { date: '2026-07-09T00:45:00.000Z' },
  'date-comment': { date: '2026-07-08T15:45:00.000Z' },
  'date-no-seconds': { date: '2026-07-08T21:15:00.000Z' },
  'address-many': {
    to: [
      { name: 'Lund, Mira', address: 'mira@harbour.example' },
      office,
      { name: 'Depot', address: 'depot@depot.example' },
    ],
    cc: [
      { name: '', address: 'canteen@ferry.example' },
      { name: 'A "nick" name', address: 'nick@crew.example' },
    ],
  },
  'address-groups': {
    to: [
      {
        name: 'Deck',
        group: [
          { name: '', address: 'bo@crew.example' },
          { name: 'Li, Wen', address: 'wen@crew.example' },
        ],
      },
      office,
    ],
    cc: [{ name: 'undisclosed-recipients', group: [] }],
  },
  alternative: { hasHtml: true, attachments: [] },
  'bulk-list': { folder: 'lists', needsReply: false },
  'auto-reply': { folder: 'automatic', needsReply: false, inReplyTo: '<out-5@ferry.example>' },
  bounce: { folder: 'bounces', needsReply: false },
  'calendar-invitation': { folder: 'invitations', needsReply: true },
  'thread-crane-2': { needsReply: false, references: ['<crane-1@harbour.example>'] },
  'broken-boundary-never-used': { text: null, attachments: [] },
  'empty-body': { text: null },
  'only-headers': { subject: 'It ends here', text: null },
}

describe('what a person read', () => {
  test.each(Object.entries(READ_BY_HAND))('%s', async (name, expected) => {
    const { legacy, target } = await both(name)
    expect(legacy).toMatchObject(expected)
    expect(target).toMatchObject(expected)
  })

  test('attachments have the bytes and the names that were sent', async () => {
    const names = {
      'attachment-pdf': 'invoice-4711.pdf',
      'attachment-name-rfc2231': 'Übersicht Fähren 2026.pdf',
      'attachment-name-encoded-word': 'Übersicht Fähren.pdf',
    }
    for (const [name, filename] of Object.entries(names)) {
      const encoded = between(sample(name).raw, 'Content-Transfer-Encoding: base64\r\n\r\n', '\r\n--')
      const bytes = Buffer.from(encoded, 'base64')
      const expected = [{ filename, mimeType: 'application/pdf', size: bytes.length, sha256: sha256(bytes) }]
      const { legacy, target } = await both(name)
      expect(legacy.attachments, name).toEqual(expected)
      expect(target.attachments, name).toEqual(expected)
      expect(bytes.subarray(0, 5).toString()).toBe('%PDF-')
    }
  })
})

// Everything in which the two differ, once the line breaks at the end of the text are left out (`compare.ts`).
const DIFFERENCES: Record<string, (keyof ParsedEmail)[]> = {
  'address-comments': ['from', 'cc'],
  'address-international': ['from'],
  'attachment-pdf-as-octets': ['attachments', 'folder'],
  'attachment-text': ['attachments'],
  'base64-body': ['text'],
  bounce: ['text', 'attachments'],
  'broken-bare-lf': ['attachments'],
  'broken-binary-attachment': ['attachments'],
  'calendar-invitation': ['attachments'],
  'charset-unknown': ['text'],
  'date-foreign-month': ['date'],
  'date-impossible': ['date'],
  'date-military-zone': ['date'],
  'header-duplicates': ['references'],
  'header-encoded-split-character': ['subject'],
  'header-folded': ['subject'],
  'header-no-brackets': ['messageId', 'inReplyTo'],
  'html-and-text-mixed': ['text'],
  'html-only': ['text', 'needsReply'],
  'nested-message-attached': ['attachments'],
  'nested-message-no-disposition': ['text', 'attachments', 'folder', 'needsReply'],
  'quoted-printable-crlf-encoded': ['text'],
  'thread-keys-3': ['inReplyTo'],
}

describe('where the two disagree', () => {
  test('in these samples and fields, and in no others', async () => {
    const found: Record<string, string[]> = {}
    for (const email of samples) {
      const name = email.name.slice(0, -'.eml'.length)
      const { legacy, target } = await both(name)
      const fields = differingFields(withoutLastLineBreaks(legacy), withoutLastLineBreaks(target))
      if (fields.length > 0) found[name] = fields
    }
    expect(found).toEqual(DIFFERENCES)
  })

  test('a date that cannot be read: legacy answers the time of the run, target nothing', async () => {
    const before = new Date().toISOString()
    const { legacy, target } = await both('date-impossible')
    expect(legacy.date! >= before && legacy.date! <= new Date().toISOString()).toBe(true)
    expect(target.date).toBeNull()
    // RFC 5322, 4.3: a zone of one letter counts as -0000, so 17:45 UTC would be right; neither says so.
    const military = await both('date-military-zone')
    expect(military.legacy.date! >= before).toBe(true)
    expect(military.target.date).toBeNull()
  })

  test('the line break before a boundary belongs to the boundary (RFC 2046, 5.1.1): legacy is right', async () => {
    const { legacy, target } = await both('alternative')
    expect(legacy.text).toBe('The group of 40 arrives at nine.')
    expect(target.text).toBe('The group of 40 arrives at nine.\n')
  })

  test('an attachment without an encoding is what was sent: legacy is right, target rewrites line breaks', async () => {
    const { raw } = sample('broken-binary-attachment')
    const sent = Buffer.from(between(raw, 'Encoding: binary\r\n\r\n', '\r\n--bin--'), 'latin1')
    const { legacy, target } = await both('broken-binary-attachment')
    expect(sent.subarray(1, 4).toString()).toBe('PNG')
    expect(legacy.attachments[0]?.sha256).toBe(sha256(sent))
    expect(target.attachments[0]?.sha256).toBe(
      sha256(Buffer.from(`${sent.toString('latin1').replaceAll('\r\n', '\n')}\n`, 'latin1')),
    )
  })

  test('comments nest in an address (RFC 5322, 3.2.2): legacy is right', async () => {
    const { legacy, target } = await both('address-comments')
    expect(legacy.from).toEqual({ name: 'Bo (on deck)', address: 'bo@crew.example' })
    expect(target.from).toEqual({ name: 'Bo (on deck', address: 'bo@crew.example)' })
  })

  test('unfolding takes out the line break and nothing else (RFC 5322, 2.2.3): target is right', async () => {
    const { legacy, target } = await both('header-folded')
    expect(legacy.subject).toBe('A subject that goes on over three lines and has a tab')
    expect(target.subject).toBe('A subject that goes on   over three lines\tand has a tab')
  })

  test('a media type is the one in the header (RFC 2045, 5): target is right, legacy guesses from the name', async () => {
    const { legacy, target } = await both('attachment-pdf-as-octets')
    expect(target.attachments[0]?.mimeType).toBe('application/octet-stream')
    expect(legacy.attachments[0]?.mimeType).toBe('application/pdf')
    expect([legacy.folder, target.folder]).toEqual(['documents', 'inbox'])
  })

  test('an encoded word holds whole characters (RFC 2047, 5); where one is cut, legacy joins the pieces', async () => {
    const { legacy, target } = await both('header-encoded-split-character')
    expect(legacy.subject).toBe('Kette gerissen, Öl fehlt')
    expect(target.subject).toBe('Kette gerissen, \u{fffd}\u{fffd}l fehlt')
  })

  test('HTML alone: legacy makes a text of it, target gives none, and so no answer is sent', async () => {
    const { legacy, target } = await both('html-only')
    expect(legacy.text).toContain('can the group of 40 have a guide')
    expect(target.text).toBeNull()
    expect([legacy.needsReply, target.needsReply]).toEqual([true, false])
  })

  test('a message inside a message, without a disposition: legacy attaches it, target opens it', async () => {
    const { legacy, target } = await both('nested-message-no-disposition')
    expect(legacy.attachments.map(({ mimeType }) => mimeType)).toEqual(['message/rfc822'])
    expect(target.attachments.map(({ filename }) => filename)).toEqual(['invoice-4714.pdf'])
    expect(target.text).toContain('Did the last one arrive?')
  })
})
