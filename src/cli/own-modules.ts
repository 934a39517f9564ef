// What does a configuration get that imports `cutover`? The very modules of the running program, so that there is one
// copy of each, whether it runs from its sources or from the package.

/** By the subpaths of `package.json`. Importing them opens nothing and loads no backend's library. */
export async function ownModules(): Promise<Record<string, unknown>> {
  const [index, embedded, beeQueue, bullmq, sqlite, redis, file, unleash, openfeature] = await Promise.all([
    import('../index.ts'),
    import('../../adapters/queues/embedded/index.ts'),
    import('../../adapters/queues/bee-queue/index.ts'),
    import('../../adapters/queues/bullmq/index.ts'),
    import('../../adapters/ledgers/sqlite/index.ts'),
    import('../../adapters/ledgers/redis/index.ts'),
    import('../../adapters/flags/file/index.ts'),
    import('../../adapters/flags/unleash/index.ts'),
    import('../../adapters/flags/openfeature/index.ts'),
  ])
  return {
    cutover: index,
    'cutover/queues/embedded': embedded,
    'cutover/queues/bee-queue': beeQueue,
    'cutover/queues/bullmq': bullmq,
    'cutover/ledgers/sqlite': sqlite,
    'cutover/ledgers/redis': redis,
    'cutover/flags/file': file,
    'cutover/flags/unleash': unleash,
    'cutover/flags/openfeature': openfeature,
  }
}
