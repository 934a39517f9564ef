// What the demo's jobs carry and what they give back. Both parsers map onto the same `ParsedEmail`, field by field.

/** The payload of both migrations: one message, byte for byte. */
export interface EmailJob {
  /** The file it came from; for people who read a report. */
  readonly name: string
  /** Whose mailbox it goes to; the sticky key of the migrations. */
  readonly mailbox: string
  /** The message as latin1 text: one character a byte, so that JSON carries every byte unchanged (see `input.ts`). */
  readonly raw: string
}

/** One mailbox, or a group with its members, as the header gave it. */
export type EmailAddress =
  | { readonly name: string; readonly address: string }
  | { readonly name: string; readonly group: readonly EmailAddress[] }

export interface ParsedAttachment {
  readonly filename: string | null
  readonly mimeType: string
  /** Bytes after decoding. */
  readonly size: number
  readonly sha256: string
}

export const FOLDERS = ['inbox', 'lists', 'automatic', 'bounces', 'invitations', 'documents'] as const
export type Folder = (typeof FOLDERS)[number]

export interface ParsedEmail {
  readonly messageId: string | null
  readonly inReplyTo: string | null
  readonly references: readonly string[]
  readonly from: EmailAddress | null
  readonly to: readonly EmailAddress[]
  readonly cc: readonly EmailAddress[]
  readonly subject: string | null
  /** ISO 8601 in UTC, null where the message has none that the parser can read. */
  readonly date: string | null
  readonly text: string | null
  readonly hasHtml: boolean
  readonly attachments: readonly ParsedAttachment[]
  readonly folder: Folder
  readonly needsReply: boolean
}

/** What `thread-email` gives: where a message stands in its conversation. */
export interface ThreadPlace {
  readonly messageId: string | null
  /** The conversation: its first message's id, or the subject for mail without any id to follow. */
  readonly threadKey: string
  /** 0 for the first message, then by the number of known ancestors. */
  readonly position: number
  /** The subject without reply and forward marks, in lower case. */
  readonly subject: string
}

/** The effects of `parse-email`, by name, with what is recorded and compared of each. */
export interface ParseEffects {
  readonly store: { readonly messageId: string | null; readonly folder: Folder; readonly attachments: number }
  readonly reply: { readonly to: string; readonly inReplyTo: string | null }
}

/** The effects of `thread-email`. */
export interface ThreadEffects {
  readonly store: ThreadPlace
}
