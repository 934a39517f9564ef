// Which folder does a message go to, and does it wait for an answer? Pure, the same for both parsers: whatever differs
// here differs because a parser read the message differently. Looks at structure, never at the words of a language.

import type { Folder, ParsedAttachment } from './types.ts'

/** What filing needs to know of a message. */
export interface FilingFacts {
  /** Address of the sender, if there is one. */
  readonly sender: string | null
  readonly text: string | null
  readonly attachments: readonly ParsedAttachment[]
  /** Media type of the whole message. */
  readonly contentType: string
  /** It carries a `List-*` header. */
  readonly listed: boolean
  /** Value of `Precedence`. */
  readonly precedence: string | null
  /** Value of `Auto-Submitted`. */
  readonly autoSubmitted: string | null
}

const BULK = new Set(['bulk', 'list', 'junk'])
const NOBODY = /^(?:no-?reply|do-?not-?reply|mailer-daemon|postmaster)@/i
/** A question mark that ends a word (not one inside a link), in the scripts that have one of their own too. */
const QUESTION = /[^\s?]["')\]]*\s?[?？؟]["')\]]*(?:\s|$)/u

export function fileEmail(facts: FilingFacts): { folder: Folder; needsReply: boolean } {
  const folder = folderOf(facts)
  const sender = facts.sender ?? ''
  const personal = folder === 'inbox' || folder === 'invitations' || folder === 'documents'
  const answerable = sender.includes('@') && !NOBODY.test(sender)
  return { folder, needsReply: personal && answerable && QUESTION.test(ownWords(facts.text ?? '')) }
}

function folderOf(facts: FilingFacts): Folder {
  if (facts.contentType === 'multipart/report') return 'bounces'
  if (facts.autoSubmitted !== null && !/^no\b/i.test(facts.autoSubmitted)) return 'automatic'
  if (facts.listed || BULK.has(facts.precedence?.toLowerCase() ?? '')) return 'lists'
  if (facts.attachments.some(({ mimeType }) => mimeType === 'text/calendar' || mimeType === 'application/ics')) {
    return 'invitations'
  }
  return facts.attachments.some(({ mimeType }) => mimeType === 'application/pdf') ? 'documents' : 'inbox'
}

/** The text without what it quotes and without its signature: others' questions need no answer. */
function ownWords(text: string): string {
  const lines = text.split('\n')
  const signature = lines.findIndex((line) => line.trimEnd() === '--')
  return lines
    .slice(0, signature === -1 ? lines.length : signature)
    .filter((line) => !line.startsWith('>'))
    .join('\n')
}
