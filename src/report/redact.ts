// What must never be printed? Passwords in URLs and flag tokens, wherever they come from: every report and every byte
// of output passes through here.

/** `user:password@` of any URL. A raw `@` in a password is covered, up to the last one before the path. */
const USER_INFO = /\b([a-z][a-z0-9+.-]*:\/\/)[^\s/?#"<>`]*@/gi
/** Secrets that some servers take in the query. */
const QUERY = /([?&](?:password|passwd|pwd|token|secret|api[_-]?key|access[_-]?token|auth)=)[^\s&#"'<>`]+/gi

/** A token of an Unleash server: `project:environment.secret`, the secret being hexadecimal. */
const FLAG_TOKEN = /(?:\*|[\w-]+):(?:\*|[\w-]+)\.[0-9a-f]{24,}/g

export function redactSecrets(text: string): string {
  if (!text.includes(':') && !text.includes('=')) return text
  return text.replace(USER_INFO, '$1***@').replace(QUERY, '$1***').replace(FLAG_TOKEN, '***')
}

/** The same value with every text in it redacted, names of fields too. What has no secret in it is not copied. */
export function redactDeep(value: unknown): unknown {
  if (typeof value === 'string') return redactSecrets(value)
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) {
    const items = value.map(redactDeep)
    return items.every((item, at) => item === value[at]) ? value : items
  }
  let changed = false
  const entries = Object.entries(value).map(([name, item]): [string, unknown] => {
    const redacted: [string, unknown] = [redactSecrets(name), redactDeep(item)]
    changed ||= redacted[0] !== name || redacted[1] !== item
    return redacted
  })
  // `fromEntries` makes a field of its own even of `__proto__`
  return changed ? Object.fromEntries(entries) : value
}
