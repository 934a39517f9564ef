// What does one header of a message say, before any parser? The first occurrence, unfolded, its bytes read as UTF-8;
// encoded words stay as they are.

/** Value of the first header of this name, null without one. `raw` is latin1 text, one character a byte. */
export function rawHeader(raw: string, name: string): string | null {
  for (const line of headerLines(raw)) {
    const colon = line.indexOf(':')
    if (colon === -1 || line.slice(0, colon).trim().toLowerCase() !== name) continue
    return Buffer.from(line.slice(colon + 1), 'latin1')
      .toString('utf8')
      .trim()
  }
  return null
}

function headerLines(raw: string): string[] {
  // A message that begins with an empty line has no headers.
  const end = /(?:^|\r?\n)\r?\n/.exec(raw)
  const head = end === null ? raw : raw.slice(0, end.index)
  return head.replace(/\r?\n(?=[ \t])/g, '').split(/\r?\n/)
}
