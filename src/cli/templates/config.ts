// The configuration that `init` writes.

import { flagsImports, flagsOption } from './flags.ts'
import type { Names } from './names.ts'

export function configTemplate(names: Names): string {
  const { name, legacy, target, ledger } = names
  const redis = [legacy, target].some((kind) => kind !== 'embedded') || ledger === 'redis'
  const kinds = [...new Set([legacy, target])].sort()
  const lines = [
    `// Which jobs are on their way, from which queue to which. Importing this opens no connection.`,
    ``,
    `import { defineConfig, type } from 'cutover'`,
    ...flagsImports(names),
    ledger === 'redis'
      ? `import { redisLedger } from 'cutover/ledgers/redis'`
      : `import { sqliteLedger } from 'cutover/ledgers/sqlite'`,
    ...kinds.map((kind) => `import { ${FACTORIES[kind]} } from 'cutover/queues/${kind}'`),
    ``,
    ...(redis ? [`const redis = process.env['REDIS_URL'] ?? 'redis://127.0.0.1:6379'`, ``] : []),
    `/** What a job carries. A schema (zod, valibot, …) in place of \`type\` below checks it too. */`,
    `export interface Payload {`,
    `  readonly id: string`,
    `  readonly text: string`,
    `}`,
    ``,
    `/** What the handler returns; compared between the sides. */`,
    `export interface Result {`,
    `  readonly words: number`,
    `}`,
    ``,
    `/** What effects record, by name; compared too. */`,
    `export interface Effects {`,
    `  readonly store: { readonly id: string; readonly words: number }`,
    `}`,
    ``,
    `export default defineConfig({`,
    `  // in every key of the ledger: two applications may share one`,
    `  namespace: 'default',`,
    ledger === 'redis'
      ? `  ledger: redisLedger({ url: redis }),`
      : `  // one machine, many processes; on several machines use redisLedger({ url }) from 'cutover/ledgers/redis'\n  ledger: sqliteLedger(),`,
    ...flagsOption(names).map((line) => `  ${line}`),
    `  migrations: {`,
    `    '${name}': {`,
    `      payload: type<Payload>(),`,
    `      result: type<Result>(),`,
    `      effects: type<Effects>(),`,
    `      legacy: ${queue(legacy, name)},`,
    `      target: ${queue(target, legacy === target ? `${name}-next` : name)},`,
    `      // the same key gets the same route while the dials stand`,
    `      key: (payload) => payload.id,`,
    `      timeout: '60s',`,
    `      attempts: 3,`,
    `      backoff: '10s',`,
    `      // only while every effect of the handler goes through ctx.effect; else 'off': no copy of a job is ever run`,
    `      shadow: 'effects-declared',`,
    `      compare: { ignore: [] },`,
    `      plan: 'migration-plan.md',`,
    `    },`,
    `  },`,
    `})`,
  ]
  return `${lines.join('\n')}\n`
}

const FACTORIES = { embedded: 'embeddedQueue', 'bee-queue': 'beeQueue', bullmq: 'bullmq' } as const

function queue(kind: Names['legacy'], name: string): string {
  if (kind === 'embedded') return `embeddedQueue({ queue: '${name}' })`
  return kind === 'bee-queue'
    ? `beeQueue({ queue: '${name}', redis })`
    : `bullmq({ queue: '${name}', connection: redis })`
}
