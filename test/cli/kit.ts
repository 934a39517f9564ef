// A folder with a configuration, and the command line run in this process over it.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileFlags } from '../../adapters/flags/file/index.ts'
import { sqliteLedger } from '../../adapters/ledgers/sqlite/index.ts'
import { embeddedQueue } from '../../adapters/queues/embedded/index.ts'
import { run } from '../../src/cli/run.ts'
import { type CutoverConfig, defineConfig, type } from '../../src/index.ts'

export interface Told {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export interface Bed {
  readonly folder: string
  readonly flagFile: string
  cli(...argv: string[]): Promise<Told>
  /** With `--json`; fails unless standard output is one JSON value. */
  json(...argv: string[]): Promise<{ readonly code: number; readonly value: ReturnType<typeof JSON.parse> }>
  write(file: string, text: string): void
  remove(): void
}

export interface CallOptions {
  readonly cwd: string
  readonly env?: Record<string, string>
  readonly isTTY?: boolean
  readonly columns?: number
}

export async function call(
  argv: readonly string[],
  { cwd, env = {}, isTTY = false, columns }: CallOptions,
): Promise<Told> {
  const told = { stdout: '', stderr: '' }
  const sink = (name: 'stdout' | 'stderr') => ({
    write: (text: string) => {
      told[name] += text
    },
  })
  const io = {
    stdout: sink('stdout'),
    stderr: sink('stderr'),
    cwd,
    env,
    isTTY,
    ...(columns === undefined ? {} : { columns }),
  }
  const code = await run(argv, io)
  return { code, ...told }
}

/** In a folder of its own; `under` the repository its configuration finds the libraries installed there. */
export function bed(under: string = tmpdir()): Bed {
  mkdirSync(under, { recursive: true })
  const folder = mkdtempSync(join(under, 'cutover-cli-'))
  const cli = (...argv: string[]): Promise<Told> => call(argv, { cwd: folder })
  return {
    folder,
    flagFile: join(folder, 'flags.yaml'),
    cli,
    json: async (...argv) => {
      const { code, stdout } = await cli(...argv, '--json')
      return { code, value: JSON.parse(stdout) }
    },
    write: (file, text) => writeFileSync(join(folder, file), text),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}

export interface Mail {
  readonly id: string
  readonly from: string
  readonly text: string
}

const TIMES = `tally: { bucket: '1s', slack: '1s' }`

/** The text of a configuration file over the bed's own ledger, flags and queues. */
export function configText({ folder, flagFile }: Bed, more: { migration?: string; others?: string } = {}): string {
  const path = (file: string): string => JSON.stringify(join(folder, file))
  return `import { defineConfig, type } from 'cutover'
import { fileFlags } from 'cutover/flags/file'
import { sqliteLedger } from 'cutover/ledgers/sqlite'
import { embeddedQueue } from 'cutover/queues/embedded'

interface Mail { readonly id: string; readonly from: string; readonly text: string }

export default defineConfig({
  namespace: 'cli-test',
  ledger: sqliteLedger({ path: ${path('ledger.db')} }),
  flags: fileFlags({ path: ${JSON.stringify(flagFile)} }),
  migrations: {
    'parse-email': {
      payload: type<Mail>(),
      legacy: embeddedQueue({ path: ${path('queue.db')}, queue: 'mail' }),
      target: embeddedQueue({ path: ${path('queue.db')}, queue: 'mail-next' }),
      key: (mail) => mail.from,
      shadow: 'effects-declared',
      ${TIMES},
      ${more.migration ?? ''}
    },
    ${more.others ?? ''}
  },
})
`
}

/** The same configuration for the library in this process. */
export function configOf({ folder, flagFile }: Bed) {
  const queue = (name: string) => embeddedQueue({ path: join(folder, 'queue.db'), queue: name })
  return defineConfig({
    namespace: 'cli-test',
    ledger: sqliteLedger({ path: join(folder, 'ledger.db') }),
    flags: fileFlags({ path: flagFile }),
    logger: { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} },
    migrations: {
      'parse-email': {
        payload: type<Mail>(),
        legacy: queue('mail'),
        target: queue('mail-next'),
        key: (mail) => mail.from,
        shadow: 'effects-declared',
        tally: { bucket: '1s', slack: '1s' },
      },
    },
  })
}

export type BedConfig = CutoverConfig

/** Waits for something to become true, looking again and again; the time is a bound, not a pause. */
export async function until(what: string, look: () => Promise<boolean>, ms = 10_000): Promise<void> {
  const end = performance.now() + ms
  while (!(await look())) {
    if (performance.now() > end) throw new Error(`not within ${ms} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
