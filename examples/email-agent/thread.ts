// Which conversation does a message belong to, and where in it does it stand? Read from the raw headers alone, so the
// answer is the same on both sides and in any order of arrival. What one message cannot tell stays unknown: with only
// an In-Reply-To, the parent is taken for the first message.

import { decodeWords } from 'postal-mime'
import { rawHeader } from './raw-headers.ts'
import type { ThreadPlace } from './types.ts'

/** Reply and forward marks of mail programs in several languages, with an optional count: `Re:`, `AW:`, `Re[2]:`. */
const MARK = /^(?:re|aw|antw|sv|vs|fw|fwd|wg|tr|rv|i|r)\s*(?:\[\d+\])?\s*[:：]\s*/i

export function threadOf(raw: string): ThreadPlace {
  const messageId = idsIn(rawHeader(raw, 'message-id'))[0] ?? null
  const references = idsIn(rawHeader(raw, 'references'))
  const ancestors = new Set([...references, ...idsIn(rawHeader(raw, 'in-reply-to')).slice(0, 1)])
  if (messageId !== null) ancestors.delete(messageId)
  const { subject, marks } = baseSubject(rawHeader(raw, 'subject') ?? '')
  const [first] = ancestors
  if (first !== undefined) return { messageId, threadKey: first, position: ancestors.size, subject }
  if (messageId !== null) return { messageId, threadKey: messageId, position: 0, subject }
  return { messageId, threadKey: `subject:${subject}`, position: marks, subject }
}

/** Message ids in order, in brackets, each once; old programs leave the brackets out. */
function idsIn(value: string | null): string[] {
  if (value === null) return []
  const bracketed = value.match(/<[^<>\s]+>/g) ?? []
  const bare = bracketed.length > 0 ? [] : value.split(/\s+/).filter((word) => /^[^()"\s]+@[^()"\s]+$/.test(word))
  return [...new Set([...bracketed, ...bare.map((id) => `<${id}>`)])]
}

function baseSubject(value: string): { subject: string; marks: number } {
  let subject = decodeWords(value).replace(/\s+/g, ' ').trim()
  let marks = 0
  for (let mark = MARK.exec(subject); mark !== null; mark = MARK.exec(subject)) {
    subject = subject.slice(mark[0].length)
    marks += 1
  }
  return { subject: subject.toLowerCase(), marks }
}
