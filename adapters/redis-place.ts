// Are two connections on the same database of the same server?

type Call = (command: string, ...args: string[]) => Promise<unknown>

/**
 * A text for the server's run and the database; the same for each connection to it. Undefined in a cluster, where the keys
 * of one step lie on several servers, and where the server does not tell.
 */
export async function placeOf(call: Call): Promise<string | undefined> {
  let info: string
  let client: string
  try {
    info = String(await call('INFO', 'server'))
    client = String(await call('CLIENT', 'INFO'))
  } catch {
    // not allowed there, or not known to an older server: nothing is done in one step then
    return undefined
  }
  const run = /^run_id:(\w+)/m.exec(info)?.[1]
  const database = /(?:^| )db=(\d+)/.exec(client)?.[1]
  if (run === undefined || database === undefined || /^redis_mode:cluster/m.test(info)) return undefined
  return `${run}/${database}`
}
