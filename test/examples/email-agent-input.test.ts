// Are e-mails read byte for byte, spread evenly and the same way every time, and threaded from their headers?

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { bytesOf, multiply, readEmails } from '../../examples/email-agent/input.ts'
import { threadOf } from '../../examples/email-agent/thread.ts'

const folder = new URL('../../examples/email-agent/emails', import.meta.url).pathname
const samples = readEmails(folder)
const home = mkdtempSync(join(tmpdir(), 'email-input-'))
afterAll(() => rmSync(home, { recursive: true, force: true }))

describe('reading', () => {
  test('every byte survives JSON', () => {
    const all = mkdtempSync(join(home, 'bytes-'))
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))
    writeFileSync(join(all, 'b.eml'), bytes)
    writeFileSync(join(all, 'a.EML'), '')
    const read = JSON.parse(JSON.stringify(readEmails(all)))
    expect(read.map(({ name }: { name: string }) => name)).toEqual(['a.EML', 'b.eml'])
    expect(bytesOf(read[1])).toEqual(bytes)
    for (const email of samples) expect(bytesOf(email).equals(readFileSync(join(folder, email.name)))).toBe(true)
  })

  test('the mailbox is Delivered-To, else the first of To, else the name of the file', () => {
    const at = mkdtempSync(join(home, 'boxes-'))
    writeFileSync(join(at, 'a.eml'), 'To: b@x.example\r\nDelivered-To: A@x.example\r\n\r\nDelivered-To: c@x.example')
    writeFileSync(join(at, 'b.eml'), 'TO: Team:\n "B, b" <b@x.example>, c@x.example;\n\n')
    writeFileSync(join(at, 'c.eml'), 'To: undisclosed-recipients:;\n\nTo: x@x.example')
    writeFileSync(join(at, 'd.eml'), '\nTo: x@x.example\n')
    expect(readEmails(at).map(({ mailbox }) => mailbox)).toEqual(['a@x.example', 'b@x.example', 'c', 'd'])
  })

  test('what cannot be read is said with what to do', () => {
    mkdirSync(join(home, 'empty', 'inner.eml'), { recursive: true })
    writeFileSync(join(home, 'a-file'), '')
    expect(() => readEmails(join(home, 'nowhere'))).toThrow(/nowhere: there is no such folder\. Name a folder/)
    expect(() => readEmails(join(home, 'a-file'))).toThrow(/it is not a folder/)
    expect(() => readEmails(join(home, 'empty'))).toThrow(/no \.eml files in .*empty \(1 other entries/)
  })
})

describe('multiplying', () => {
  test('gives each mailbox and each e-mail evenly, and each mailbox different e-mails', () => {
    for (const mailboxes of [74, 75, 76, 149, 300]) {
      const jobs = multiply(samples.slice(0, 75), { jobs: mailboxes * 20, mailboxes })
      const boxes = Map.groupBy(jobs, ({ email }) => email.mailbox)
      const names = Map.groupBy(jobs, ({ email }) => email.name)
      expect(boxes.size).toBe(mailboxes)
      for (const of of boxes.values()) expect(new Set(of.map(({ email }) => email.name)).size).toBe(20)
      const counts = [...names.values()].map((of) => of.length)
      expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(20)
    }
  })

  test('is the same every time, with ids of its own', () => {
    const options = { jobs: 200, mailboxes: 30, prefix: 'run7' }
    const jobs = multiply(samples, options)
    expect(jobs).toEqual(multiply(samples, options))
    expect(new Set(jobs.map(({ id }) => id)).size).toBe(200)
    expect(jobs[3]).toMatchObject({ id: 'run7-000003', email: { mailbox: 'box-00003@mail.example' } })
  })

  test('keeps the mailboxes of the e-mails unless a number is given', () => {
    const jobs = multiply(samples, { jobs: samples.length + 2 })
    expect(jobs.slice(0, samples.length).map(({ email }) => email)).toEqual(samples)
    expect(jobs.at(-1)?.email).toEqual(samples[1])
  })

  test.each([0, -1, 1.5, Number.NaN])('refuses %s jobs', (jobs) => {
    expect(() => multiply(samples, { jobs })).toThrow(/not a number of jobs/)
    expect(() => multiply(samples, { jobs: 1, mailboxes: jobs })).toThrow(/not a number of mailboxes/)
  })
})

describe('threads', () => {
  const place = (name: string) => threadOf(samples.find((email) => email.name === `${name}.eml`)?.raw ?? '')

  test.each([
    ['thread-crane-1', '<crane-1@harbour.example>', 0, 'crane on pier 2'],
    ['thread-crane-2', '<crane-1@harbour.example>', 1, 'crane on pier 2'],
    ['thread-crane-3', '<crane-1@harbour.example>', 2, 'crane on pier 2'],
    ['thread-crane-4', '<crane-1@harbour.example>', 3, 'crane on pier 2'],
    ['thread-keys-1', '<keys-1@depot.example>', 0, 'schlüssel für halle 3'],
    ['thread-keys-2', '<keys-1@depot.example>', 1, 'schlüssel für halle 3'],
    // Only its parent is named: where the conversation began cannot be known from this message.
    ['thread-keys-3', '<keys-2@depot.example>', 1, 'schlüssel für halle 3'],
    ['thread-lost-property-1', 'subject:lost umbrella', 0, 'lost umbrella'],
    ['thread-lost-property-2', 'subject:lost umbrella', 2, 'lost umbrella'],
    ['thread-long-references', '<season-1@crew.example>', 24, 'season'],
    ['header-no-brackets', '<q-2001@harbour.example>', 1, 'berth for saturday'],
  ])('%s', (name, threadKey, position, subject) => {
    expect(place(name)).toMatchObject({ threadKey, position, subject })
  })

  test('a message that names itself is not its own ancestor', () => {
    expect(threadOf('Message-ID: <a@x.example>\r\nReferences: <a@x.example>\r\n\r\n')).toMatchObject({
      threadKey: '<a@x.example>',
      position: 0,
    })
    expect(threadOf('')).toEqual({ messageId: null, threadKey: 'subject:', position: 0, subject: '' })
  })
})
