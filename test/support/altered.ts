// Puts something around the calls of an object from outside, so that the object knows nothing of it.

/** The same object, but for what `change` gives for a name. */
export function altered<T extends object>(what: T, change: (name: string | symbol, value: unknown) => unknown): T {
  return new Proxy(what, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name, target)
      return change(name, typeof value === 'function' ? value.bind(target) : value)
    },
  })
}
