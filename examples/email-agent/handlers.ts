// What is done with an e-mail? It is parsed, filed into a mailbox and, if it waits for an answer, answered. Everything
// that reaches the outside goes through `ctx.effect`; the rest can run as often as it likes.

import type { Arm, Side } from '../../src/vocabulary/job.ts'
import { bytesOf } from './input.ts'
import { parseLegacy } from './parse-legacy.ts'
import { parseTarget } from './parse-target.ts'
import { type MailStore, processStore, type Run } from './store.ts'
import { threadOf } from './thread.ts'
import type { EmailAddress, EmailJob, ParsedEmail, ParseEffects, ThreadEffects, ThreadPlace } from './types.ts'

/** The part of cutover's context that these handlers use; `E` names the effects and what is recorded of each. */
export interface HandlerContext<E> {
  readonly id: string
  readonly arm: Arm
  readonly side: Side
  readonly signal: AbortSignal
  effect<N extends keyof E & string, R>(
    name: N,
    recorded: E[N],
    run: (options: { readonly idempotencyKey: string }) => Promise<R> | R,
    inShadow?: () => R,
  ): Promise<R | undefined>
}

export interface Handlers {
  parseEmailLegacy(email: EmailJob, ctx: HandlerContext<ParseEffects>): Promise<ParsedEmail>
  parseEmailTarget(email: EmailJob, ctx: HandlerContext<ParseEffects>): Promise<ParsedEmail>
  threadEmail(email: EmailJob, ctx: HandlerContext<ThreadEffects>): Promise<ThreadPlace>
}

/** The handlers over a store of one's own. */
export function createHandlers(store: MailStore): Handlers {
  return {
    parseEmailLegacy: (email, ctx) => parseAndFile({ store, parse: parseLegacy }, email, ctx),
    parseEmailTarget: (email, ctx) => parseAndFile({ store, parse: parseTarget }, email, ctx),
    threadEmail: (email, ctx) =>
      logged(store, runOf('thread-email', ctx), async (run) => {
        const place = threadOf(email.raw)
        ctx.signal.throwIfAborted()
        await ctx.effect('store', place, ({ idempotencyKey: key }) =>
          store.keep(run, { name: 'store', key, mailbox: email.mailbox, value: place }),
        )
        return place
      }),
  }
}

/** `parse-email` on legacy, over the store of this process. */
export function parseEmailLegacy(email: EmailJob, ctx: HandlerContext<ParseEffects>): Promise<ParsedEmail> {
  return createHandlers(processStore()).parseEmailLegacy(email, ctx)
}

/** `parse-email` on target, over the store of this process. */
export function parseEmailTarget(email: EmailJob, ctx: HandlerContext<ParseEffects>): Promise<ParsedEmail> {
  return createHandlers(processStore()).parseEmailTarget(email, ctx)
}

/** `thread-email`, the same on both sides, over the store of this process. */
export function threadEmail(email: EmailJob, ctx: HandlerContext<ThreadEffects>): Promise<ThreadPlace> {
  return createHandlers(processStore()).threadEmail(email, ctx)
}

type Parse = (raw: Buffer) => Promise<ParsedEmail>

function parseAndFile(
  { store, parse }: { store: MailStore; parse: Parse },
  email: EmailJob,
  ctx: HandlerContext<ParseEffects>,
): Promise<ParsedEmail> {
  return logged(store, runOf('parse-email', ctx), async (run) => {
    const parsed = await parse(bytesOf(email))
    // Neither parser takes a signal: a run that is over must at least not begin an effect.
    ctx.signal.throwIfAborted()
    const { messageId, folder, attachments } = parsed
    await ctx.effect('store', { messageId, folder, attachments: attachments.length }, ({ idempotencyKey: key }) =>
      store.keep(run, {
        name: 'store',
        key,
        mailbox: email.mailbox,
        value: { messageId, folder, subject: parsed.subject },
      }),
    )
    const to = addressOf(parsed.from)
    if (parsed.needsReply && to !== null) {
      await ctx.effect('reply', { to, inReplyTo: messageId }, ({ idempotencyKey: key }) =>
        store.keep(run, { name: 'reply', key, mailbox: 'outbox', value: { to, inReplyTo: messageId } }),
      )
    }
    return parsed
  })
}

/** Notes in the log that the run began and how it ended. */
async function logged<R>(store: MailStore, run: Run, work: (run: Run) => Promise<R>): Promise<R> {
  store.record({ kind: 'run-start', ...run })
  try {
    const result = await work(run)
    store.record({ kind: 'run-end', ...run, ok: true })
    return result
  } catch (error) {
    store.record({ kind: 'run-end', ...run, ok: false, error: error instanceof Error ? error.name : String(error) })
    throw error
  }
}

function runOf(migration: string, { id, arm, side }: Run | HandlerContext<never>): Run {
  return { migration, id, arm, side }
}

function addressOf(from: EmailAddress | null): string | null {
  return from !== null && 'address' in from && from.address !== '' ? from.address : null
}
