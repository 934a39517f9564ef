// Three ways in which a new version is bad, each of which only shows once jobs run on target for good: no shadow could
// have told. Asked for by `npm run demo -- --plan --bad KIND`; nothing of it is in the application.

import type { OutgoingJob, Queue, QueueSpec } from '../../../src/ports/queue.ts'
import type { HandlerContext } from '../handlers.ts'

export const BAD_KINDS = ['target-slow', 'target-fails', 'target-loses'] as const
export type BadKind = (typeof BAD_KINDS)[number]
export const BAD_VARIABLE = 'EMAIL_AGENT_BAD'

export function badKind(env: NodeJS.ProcessEnv): BadKind | undefined {
  return BAD_KINDS.find((kind) => kind === env[BAD_VARIABLE])
}

const SLOW_MS = 15

/** A handler that is bad on target, where its effects count. */
export function spoiled<J, E, R>(
  handle: (job: J, ctx: HandlerContext<E>) => Promise<R>,
  kind: BadKind | undefined,
): (job: J, ctx: HandlerContext<E>) => Promise<R> {
  if (kind !== 'target-slow' && kind !== 'target-fails') return handle
  return async (job, ctx) => {
    if (ctx.side === 'target' && ctx.arm === 'primary') {
      if (kind === 'target-slow') await new Promise((resolve) => setTimeout(resolve, SLOW_MS))
      // every sixth, in every attempt
      else if (sixth(ctx.id)) throw new Error('the mailbox is locked')
    }
    return await handle(job, ctx)
  }
}

function sixth(id: string): boolean {
  return [...id].reduce((sum, letter) => sum + letter.charCodeAt(0), 0) % 6 === 0
}

/** A queue that says yes and forgets every fourth job. */
export function losing<Spec extends Pick<QueueSpec, 'create'>>(spec: Spec, kind: BadKind | undefined): Spec {
  if (kind !== 'target-loses') return spec
  let n = 0
  const create = (): Queue => {
    const queue = spec.create()
    const enqueue = queue.enqueue.bind(queue)
    queue.enqueue = async (jobs: readonly OutgoingJob[]) => {
      const kept = jobs.filter(() => n++ % 4 !== 0)
      const stored = kept.length === 0 ? [] : [...(await enqueue(kept))]
      return jobs.map((job) => (kept.includes(job) ? stored.shift() : undefined) ?? { status: 'accepted' as const })
    }
    return queue
  }
  return { ...spec, create }
}
