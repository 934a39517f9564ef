// BullMQ's own scripts, as it defines them on a client: to be run inside scripts of ours, so that what they do stays
// BullMQ's business and what costs a round trip a job costs one a chunk.

/** What ioredis keeps of a script that was defined on a client. */
interface Defined {
  readonly lua: string
  readonly numberOfKeys: number
}

/** The script whose name, version and all, begins like this; undefined where the client has none. */
export function definedOn(client: unknown, beginning: string): (Defined & { readonly name: string }) | undefined {
  const { scriptsSet = {} } = client as { scriptsSet?: Record<string, Partial<Defined> | undefined> }
  const name = Object.keys(scriptsSet).find((one) => one.startsWith(beginning))
  const { lua, numberOfKeys } = (name === undefined ? undefined : scriptsSet[name]) ?? {}
  if (name === undefined || typeof lua !== 'string' || typeof numberOfKeys !== 'number') return undefined
  return { name, lua, numberOfKeys }
}

/** A whole script as a function of a larger one, with keys and arguments of its own. */
export function asFunction(name: string, lua: string): string {
  return `local function ${name}(KEYS, ARGV)\n${lua}\nend\n`
}
