// A ledger or a queue whose operations a test can intercept: `hooks.begin(real, ...args)` stands before the real one.

import type { LedgerSpec } from '../../src/ports/ledger.ts'
import type { QueueSpec } from '../../src/ports/queue.ts'

type Operation = (...args: never[]) => unknown
export type Hooks = Readonly<Record<string, (real: Operation, ...args: never[]) => unknown>>

function intercept<T extends object>(object: T, hooks: Hooks): T {
  return new Proxy(object, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name)
      // a queue would go past the hook of `finish`
      if (name === 'endScript') return undefined
      if (typeof value !== 'function') return value
      const real = value.bind(target) as Operation
      const hook = hooks[String(name)]
      return hook === undefined ? real : (...args: never[]) => hook(real, ...args)
    },
  })
}

/** The hooks stand before the operations of every migration's handle; nothing is committed together with a queue. */
export function hookedLedger(spec: LedgerSpec, hooks: Hooks): LedgerSpec {
  return {
    kind: spec.kind,
    create: (context) => {
      const ledger = spec.create(context)
      return new Proxy(ledger, {
        get: (target, name) => {
          if (name === 'store') return undefined
          if (name === 'migration') {
            return (...args: Parameters<typeof ledger.migration>) => intercept(target.migration(...args), hooks)
          }
          const value: unknown = Reflect.get(target, name)
          return typeof value === 'function' ? value.bind(target) : value
        },
      })
    },
  }
}

export function hookedQueue(spec: QueueSpec, hooks: Hooks): QueueSpec {
  return { ...spec, create: () => intercept(spec.create(), hooks) }
}
