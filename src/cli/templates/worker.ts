// The worker that `init` writes. Without top-level await, so that it compiles to CommonJS too.

import type { Names } from './names.ts'

export function workerTemplate({ name, extension }: Names): string {
  const file = `cutover.worker.${extension}`
  return `// Works off the jobs of ${name}: \`node ${file}\` on both sides, \`node ${file} legacy\` on one.

import { type JobContext, openCutover } from 'cutover'
import config, { type Effects, type Payload, type Result } from './cutover.config.${extension}'

/** One job. It may run on either side, and again as a shadow whose effects are left out. */
async function handle(payload: Payload, ctx: JobContext<Effects>): Promise<Result> {
  const words = payload.text.split(/\\s+/).filter((word) => word !== '').length
  // What changes anything outside goes through ctx.effect: it runs in the one run that counts.
  await ctx.effect('store', { id: payload.id, words }, ({ idempotencyKey }) => {
    console.log(\`\${ctx.side}: job \${ctx.id} has \${words} words (\${idempotencyKey})\`)
  })
  return { words }
}

async function main(): Promise<void> {
  const [asked] = process.argv.slice(2)
  const cutover = await openCutover(config)
  // Bump the version with every change of what the handler does: counts start anew with it.
  if (asked !== 'target') await cutover.work('${name}', 'legacy', handle, { concurrency: 4, version: '1' })
  if (asked !== 'legacy') await cutover.work('${name}', 'target', handle, { concurrency: 4, version: '1' })
  console.log('working; stop with Ctrl+C')
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      cutover.close().catch(fail)
    })
  }
}

function fail(error: unknown): void {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}

main().catch(fail)
`
}
