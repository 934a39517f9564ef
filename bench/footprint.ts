// What does having the library cost a process: time to import it, and resident memory of an idle worker?

import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { median } from './harness.ts'
import type { World } from './world.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))

function child(code: string): number {
  const run = spawnSync(process.execPath, ['--input-type=module', '-e', code], { cwd: ROOT, encoding: 'utf8' })
  const value = Number(run.stdout.trim().split('\n').at(-1))
  if (run.status !== 0 || Number.isNaN(value)) throw new Error(`${run.stderr}\n${run.stdout}`)
  return value
}

const RSS = `
  await new Promise((resolve) => setTimeout(resolve, 1500))
  globalThis.gc?.()
  console.log(process.memoryUsage().rss / 1e6)
  process.exit(0)`

export async function benchFootprint(
  world: World,
  { rounds }: { rounds: number },
  print: (text: string) => void,
): Promise<void> {
  if (!existsSync(`${ROOT}/dist/src/index.js`)) {
    const built = spawnSync('npm', ['run', 'build'], { cwd: ROOT, stdio: 'inherit' })
    if (built.status !== 0) throw new Error('the build failed')
  }
  const imported = median(
    Array.from({ length: rounds }, () =>
      child(`const began = performance.now(); await import('cutover'); console.log(performance.now() - began)`),
    ),
  )
  print(`import cutover  ${imported.toFixed(0)} ms  most 60  ${imported <= 60 ? 'ok' : 'MISSED'}`)
  const { port, url } = world.redis
  const raw = (): number =>
    child(`
    import { Worker } from 'bullmq'
    new Worker('rss', async () => {}, { connection: { host: '127.0.0.1', port: ${port}, maxRetriesPerRequest: null } })
    ${RSS}`)
  const ours = (): number =>
    child(`
    import { defineConfig, openCutover, type } from 'cutover'
    import { bullmq } from 'cutover/queues/bullmq'
    import { redisLedger } from 'cutover/ledgers/redis'
    import { fileFlags } from 'cutover/flags/file'
    const cutover = await openCutover(defineConfig({
      ledger: redisLedger({ url: '${url}' }), flags: fileFlags({ path: '${world.folder}/none.yaml' }),
      migrations: { job: { payload: type(), legacy: bullmq({ queue: 'rss', connection: '${url}' }), target: bullmq({ queue: 'rss2', connection: '${url}' }) } },
    }), { withoutLedger: 'refuse' })
    await cutover.work('job', 'legacy', async () => {})
    ${RSS}`)
  const figures = { raw: [] as number[], ours: [] as number[] }
  for (let round = 0; round < rounds; round += 1) {
    figures.raw.push(raw())
    figures.ours.push(ours())
  }
  const ratio = median(figures.ours) / median(figures.raw)
  print(
    `idle worker, resident  raw BullMQ ${median(figures.raw).toFixed(0)} MB  ours ${median(figures.ours).toFixed(0)} MB  ratio ${ratio.toFixed(2)}  most 1.25  ${ratio <= 1.25 ? 'ok' : 'MISSED'}`,
  )
}
