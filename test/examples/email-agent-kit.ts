// A context as cutover hands it to a handler, for tests of the demo's handlers alone.

import type { HandlerContext } from '../../examples/email-agent/handlers.ts'
import type { Arm, Side } from '../../src/vocabulary/job.ts'

export interface TestContext<E> extends HandlerContext<E> {
  readonly recorded: { readonly name: string; readonly recorded: unknown }[]
}

export function testContext<E>(
  migration: string,
  {
    id = 'job-1',
    arm = 'primary',
    side = 'legacy',
    signal = new AbortController().signal,
  }: Partial<{
    id: string
    arm: Arm
    side: Side
    signal: AbortSignal
  }> = {},
): TestContext<E> {
  const recorded: { name: string; recorded: unknown }[] = []
  return {
    id,
    arm,
    side,
    signal,
    recorded,
    async effect(name, value, run, inShadow) {
      recorded.push({ name, recorded: value })
      const ordinal = recorded.filter((effect) => effect.name === name).length
      return arm === 'primary' ? await run({ idempotencyKey: `${migration}:${id}:${name}:${ordinal}` }) : inShadow?.()
    },
  }
}
