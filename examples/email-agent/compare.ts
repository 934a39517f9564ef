// What does a comparison of two parsed e-mails leave out, on purpose and in one place? The line breaks at the very end
// of the text: `postal-mime` counts the break before a boundary as text (RFC 2046, 5.1.1: it belongs to the boundary),
// so nearly every multipart message would differ by it, and hide the differences that matter.

import type { ParsedEmail } from './types.ts'

/**
 * A result without the line breaks that end its text. Of a result above 64 kB only digests are kept (docs/comparing.md):
 * a text that stands as its digest is left as it is.
 */
export function withoutLastLineBreaks(parsed: ParsedEmail): ParsedEmail {
  return typeof parsed.text !== 'string' ? parsed : { ...parsed, text: parsed.text.replace(/[\r\n]+$/, '') }
}
