// One attempt of a handler: its time-out, its result in the stored form, its error, and how long it took.

import { encodeError, encodeValue } from '../comparison/encode.ts'
import { latencyBucket } from '../comparison/latency.ts'
import { CutoverError } from '../vocabulary/errors.ts'
import type { Outcome } from '../vocabulary/outcome.ts'
import type { Handler, RunContext } from './context.ts'

export interface AttemptOptions {
  readonly handler: Handler
  readonly run: RunContext
  /** Parses the payload by the migration's schema; throws `payload-invalid`. */
  readonly payload: () => unknown | Promise<unknown>
  readonly timeoutMs: number
  readonly waitMs: number
  readonly version: string
  readonly migration: string
}

export interface Attempt {
  readonly outcome: Outcome
  /** What the handler returned or threw, as it is. */
  readonly value: unknown
  readonly error: unknown
  /** A failure that trying again cannot mend. */
  readonly fatal: boolean
  readonly runBucket: number
  /** 0 for a later attempt. */
  readonly waitBucket: number
}

type Ended = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly error: unknown }

export async function runAttempt(options: AttemptOptions): Promise<Attempt> {
  const { run, waitMs, version } = options
  const began = performance.now()
  let ended = await raceTimeout(options)
  run.end()
  const runMs = Math.max(0, performance.now() - began - run.effectMs)
  let value: Outcome['value']
  if (ended.ok && ended.value !== undefined) {
    try {
      value = encodeValue(ended.value, { refused: 'note' }).json
    } catch (error) {
      ended = { ok: false, error }
    }
  }
  const { seenTools } = run
  const outcome: Outcome = {
    ok: ended.ok,
    ...(value === undefined ? {} : { value }),
    ...(ended.ok ? {} : { error: encodeError(ended.error) }),
    effects: [...run.effects],
    ...(seenTools === undefined ? {} : { mcp: seenTools }),
    waitMs,
    runMs,
    attempts: run.context.attempt,
    version,
  }
  return {
    outcome,
    value: ended.ok ? ended.value : undefined,
    error: ended.ok ? undefined : ended.error,
    fatal: !ended.ok && isFatal(ended.error),
    runBucket: latencyBucket(runMs),
    // a later attempt has waited for its backoff, not for a worker
    waitBucket: run.context.attempt > 1 ? 0 : latencyBucket(waitMs),
  }
}

function isFatal(error: unknown): boolean {
  return error instanceof CutoverError && (error.code === 'payload-invalid' || error.code === 'result-not-comparable')
}

/** The handler's end, or its time-out. A handler that ignores its signal runs on unheard: it begins no effect. */
function raceTimeout({ handler, run, payload, timeoutMs, migration }: AttemptOptions): Promise<Ended> {
  return new Promise<Ended>((resolve) => {
    const began = performance.now()
    const strike = (): void => {
      // a handler that waits for a lost ledger to allow its effect is not slow
      const left = timeoutMs + run.waitedMs - (performance.now() - began)
      if (left > 1) {
        timer = setTimeout(strike, Math.max(left, 10))
        return
      }
      const message = `${migration}: the attempt took longer than ${timeoutMs} ms; raise timeout, or let the handler obey ctx.signal`
      run.abort(new CutoverError('attempt-timeout', message, { details: { migration, id: run.context.id, timeoutMs } }))
    }
    let timer = setTimeout(strike, timeoutMs)
    const end = (ended: Ended): void => {
      clearTimeout(timer)
      run.onAbort = undefined
      resolve(ended)
    }
    run.onAbort = (error) => end({ ok: false, error })
    if (run.aborted !== undefined) end({ ok: false, error: run.aborted })
    void runHandler({ handler, run, payload }).then(end)
  })
}

/** Never rejects. */
async function runHandler({
  handler,
  run,
  payload,
}: Pick<AttemptOptions, 'handler' | 'run' | 'payload'>): Promise<Ended> {
  try {
    return { ok: true, value: await handler(await payload(), run.context) }
  } catch (error) {
    return { ok: false, error }
  }
}
