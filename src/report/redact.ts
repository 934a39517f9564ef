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

/** The same value with every text in it redacted, names of fields too. */
export function redactDeep(value: unknown): unknown {
  if (typeof value === 'string') return redactSecrets(value)
  if (Array.isArray(value)) return value.map(redactDeep)
  if (typeof value !== 'object' || value === null) return value
  const redacted: Record<string, unknown> = {}
  for (const [name, item] of Object.entries(value)) setOwn(redacted, redactSecrets(name), redactDeep(item))
  return redacted
}

/** `__proto__` too becomes a field of its own. */
function setOwn(into: Record<string, unknown>, name: string, value: unknown): void {
  if (name !== '__proto__') into[name] = value
  else Object.defineProperty(into, name, { value, enumerable: true, configurable: true, writable: true })
}
