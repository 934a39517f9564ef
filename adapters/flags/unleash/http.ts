// One question to an Unleash server: bounded in time and in size, never redirected, and every failure of one of three
// kinds. The token goes to the configured host and nowhere else.

import { scrub } from './tokens.ts'

export interface Question {
  readonly url: string
  readonly method?: 'GET' | 'POST' | 'PUT'
  readonly token: string
  readonly headers?: Readonly<Record<string, string>>
  /** Sent as JSON. */
  readonly body?: unknown
  readonly timeoutMs: number
  /** Bound of the answer, bytes after decompression. */
  readonly maxBytes: number
  /** Ends the question early. */
  readonly signal?: AbortSignal
}

export interface Reply {
  readonly status: number
  readonly headers: Headers
  readonly text: string
}

/** Why there is no good answer. `refused`: the token; `unreachable`: try again; `broken`: what came is not usable. */
export class ChannelFault extends Error {
  override readonly name = 'ChannelFault'
  readonly state: 'refused' | 'unreachable' | 'broken'
  /** What the state does not say: no answer in time, or one from before the last. */
  readonly kind: 'silent' | 'backwards' | undefined
  /** The HTTP status, where there was one. */
  readonly status: number | undefined
  /** The server asked to wait this long, ms. */
  readonly retryAfterMs: number | undefined

  constructor(
    state: ChannelFault['state'],
    message: string,
    more: { kind?: 'silent' | 'backwards'; status?: number; retryAfterMs?: number; cause?: unknown } = {},
  ) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause })
    this.state = state
    this.kind = more.kind
    this.status = more.status
    this.retryAfterMs = more.retryAfterMs
  }
}

/** Any answer but a redirect; rejects with a {@link ChannelFault}. */
export async function ask(question: Question): Promise<Reply> {
  const { url, method = 'GET', token, headers, body, timeoutMs, signal } = question
  const timeout = AbortSignal.timeout(timeoutMs)
  const both = signal === undefined ? timeout : AbortSignal.any([timeout, signal])
  try {
    const response = await fetch(url, {
      method,
      redirect: 'manual',
      signal: both,
      headers: {
        accept: 'application/json',
        ...headers,
        authorization: token,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    if (response.status >= 300 && response.status < 400 && response.status !== 304) {
      await response.body?.cancel()
      throw redirected(url, response.headers.get('location'))
    }
    return { status: response.status, headers: response.headers, text: await bounded(response, question) }
  } catch (cause) {
    if (cause instanceof ChannelFault) throw cause
    throw unreachable(question, timeout, cause)
  }
}

async function bounded(response: Response, { url, maxBytes }: Question): Promise<string> {
  const tooLarge = (): ChannelFault =>
    new ChannelFault(
      'broken',
      `${url} answers with more than ${Math.round(maxBytes / 1e6)} MB; give it a token of one project, or raise maxAnswer`,
    )
  const reader = response.body?.getReader()
  if (reader === undefined) return ''
  if (Number(response.headers.get('content-length') ?? 0) > maxBytes) {
    await reader.cancel()
    throw tooLarge()
  }
  const parts: Uint8Array[] = []
  let bytes = 0
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    bytes += part.value.byteLength
    if (bytes > maxBytes) {
      await reader.cancel()
      throw tooLarge()
    }
    parts.push(part.value)
  }
  return Buffer.concat(parts).toString('utf8')
}

function redirected(url: string, location: string | null): ChannelFault {
  const to = location === null ? 'nowhere' : scrub(withoutSecrets(location))
  return new ChannelFault(
    'broken',
    `${url} redirects to ${to}; the token is sent to the configured address alone: if that is the server, put it into url`,
  )
}

/** A location may carry anything; only where it leads is told. */
function withoutSecrets(location: string): string {
  try {
    const { protocol, host, pathname } = new URL(location, 'relative://')
    return protocol === 'relative:' ? pathname : `${protocol}//${host}${pathname}`
  } catch {
    return 'an address that cannot be read'
  }
}

function unreachable({ url, timeoutMs, token }: Question, timeout: AbortSignal, cause: unknown): ChannelFault {
  if (timeout.aborted) {
    return new ChannelFault('unreachable', `${url} has not answered within ${timeoutMs} ms`, { kind: 'silent', cause })
  }
  const why = scrub(reasonOf(cause), token)
  return new ChannelFault('unreachable', `${url} cannot be reached: ${why}${tlsAdvice(why)}`, { cause })
}

/** What to do about a connection that TLS refused, by what Node says; empty for others. */
export function tlsAdvice(why: string): string {
  if (/WRONG_VERSION_NUMBER|EPROTO|PACKET_LENGTH/.test(why)) return '; is it https that is spoken there, or http?'
  if (/ALTNAME/.test(why)) return '; its certificate is for another host: url must have the name that is in it'
  if (/EXPIRED|NOT_YET_VALID/.test(why)) return '; renew its certificate, or set the clock'
  return /CERT|SSL|TLS|SIGNED|ISSUER/i.test(why) ? '; for a certificate of your own set NODE_EXTRA_CA_CERTS' : ''
}

/** What fetch hides: the system's own error is its cause. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { cause } = error
  if (cause instanceof AggregateError && cause.errors.length > 0) return reasonOf(cause.errors[0])
  if (cause instanceof Error) {
    const code = 'code' in cause && typeof cause.code === 'string' ? cause.code : ''
    // the message is OpenSSL's own, with the address in memory and the line of its source
    if (/^ERR_SSL_|^EPROTO$/.test(code)) return code
    return cause.message.includes(code) ? cause.message : `${code} ${cause.message}`
  }
  return error.message
}

/** What the status says, where it is not a good one. */
export function faultOf(url: string, reply: Reply, token: { readonly from: string }): ChannelFault | undefined {
  const { status } = reply
  if (status >= 200 && status < 300) return undefined
  if (status === 401 || status === 403) {
    const what = status === 401 ? 'does not know the token' : 'refuses the token'
    return new ChannelFault(
      'refused',
      `${url} ${what} in ${token.from} (${status}): revoked, expired, or of another kind? Reading takes a backend token of the project and environment`,
      { status },
    )
  }
  if (status === 404) {
    return new ChannelFault('broken', `${url} is not there (404); is url the address of an Unleash server?`, { status })
  }
  const wait = Number(reply.headers.get('retry-after'))
  return new ChannelFault('unreachable', `${url} answers ${status}`, {
    status,
    ...(wait > 0 && wait < 3600 ? { retryAfterMs: wait * 1000 } : {}),
  })
}
