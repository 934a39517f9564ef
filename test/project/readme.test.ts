// Does what the README prints work as printed, with the package as it is packed?

import { copyFile, mkdir, mkdtemp, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { markedFences } from './markdown.ts'
import { cleanEnv, pack, ROOT, run } from './packed.ts'

const readme = await readFile(join(ROOT, 'README.md'), 'utf8')
const fences = markedFences(readme)
const of = (mark: string) => fences.filter((fence) => fence.mark === mark)

let folder: string
let packed: { tarball: string; remove: () => Promise<void> }
/** What each `run` fence printed on standard output. */
let printed: string[]

async function write(name: string, text: string): Promise<void> {
  const path = join(folder, name)
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, text)
}

/** All fences in one shell, as a person's: the worker in the background of the third is ended by the last. */
async function typeIn(): Promise<string[]> {
  const rule = '--- next fence ---'
  const script = `set -e\n${of('run')
    .map(({ text }) => text)
    .join(`echo '${rule}'\n`)}wait\n`
  const env = cleanEnv({ npm_config_prefer_offline: 'true', npm_config_audit: 'false', npm_config_fund: 'false' })
  const { code, stdout, stderr } = await run('bash', ['-c', script], { cwd: folder, env })
  expect(code, `${stdout}\n${stderr}`).toBe(0)
  return stdout.split(`${rule}\n`)
}

beforeAll(async () => {
  packed = await pack()
  folder = await realpath(await mkdtemp(join(tmpdir(), 'cutover-readme-')))
  await copyFile(packed.tarball, join(folder, basename(packed.tarball)))
  for (const { value, text } of of('file')) await write(value, text)
  printed = await typeIn()
}, 80_000)

afterAll(async () => {
  await packed?.remove()
  if (folder !== undefined) await rm(folder, { recursive: true, force: true })
})

describe('quickstart', () => {
  test('has files and commands', () => {
    expect(of('file').map(({ value }) => value)).toEqual([
      'cutover.config.ts',
      'cutover.flags.yaml',
      'worker.ts',
      'producer.ts',
    ])
    expect(printed).toHaveLength(5)
  })

  test('with both dials down every job goes to legacy', () => {
    expect(printed[1]).toContain("{ 'legacy, because of flag': 40 }")
  })

  test('shadowed jobs show what differs', () => {
    expect(printed[2]).toContain("{ 'legacy-shadowed, because of flag': 40 }")
    expect(printed[2]).toMatch(/4 +10 % +value +\/result\/subject/)
    expect(printed[2]).toMatch(/legacy +""\n +target +"Letter 10"/)
    expect(printed[2]).toMatch(/80 jobs, none lost, none done twice/)
  })

  test('half of the mailboxes go to target', () => {
    const [, shadowed] = /'legacy-shadowed, because of flag': (\d+)/.exec(printed[3] ?? '') ?? []
    const [, moved] = /'target-shadowed, because of flag': (\d+)/.exec(printed[3] ?? '') ?? []
    expect(Number(shadowed) + Number(moved)).toBe(40)
    expect(Number(moved)).toBeGreaterThan(5)
    expect(printed[3]).toContain('none lost, none done twice')
  })

  test('a rollback takes everything back', () => {
    expect(printed[4]).toContain("{ 'legacy, because of latch': 40 }")
    expect(printed[4]).toContain('subjects differ')
  })

  test('effects were performed once a job, on the side where it ran', async () => {
    const keys = [...(await readFile(join(folder, 'worker.log'), 'utf8')).matchAll(/under (\S+)/g)].map(
      ([, key]) => key,
    )
    expect(keys).toHaveLength(160)
    expect(new Set(keys).size).toBe(160)
  })
})

/** The project's own libraries beside the installed package, for what the README types but does not run. */
async function lend(...names: string[]): Promise<void> {
  for (const name of names) {
    const at = join(folder, 'node_modules', name)
    await mkdir(dirname(at), { recursive: true })
    await symlink(join(ROOT, 'node_modules', name), at)
  }
}

describe('the package', () => {
  test('one adapter loads nothing of another, and a missing library is named', async () => {
    await write(
      'adapters.mjs',
      `import { bullmq } from 'cutover/queues/bullmq'
       import { beeQueue } from 'cutover/queues/bee-queue'
       import { redisLedger } from 'cutover/ledgers/redis'
       import { openFeatureFlags } from 'cutover/flags/openfeature'
       const opened = [
         bullmq({ queue: 'a' }).create(),
         beeQueue({ queue: 'a' }).create(),
         redisLedger({ url: 'redis://127.0.0.1:1' }).create({ namespace: 'a' }),
       ]
       const flags = openFeatureFlags({ domain: '' }).create({ flags: ['a'] })
       await flags.ready().catch((error) => console.log(error.code, error.message))
       await flags.close()
       for (const part of opened) await part.open().catch((error) => console.log(error.code, error.message))`,
    )
    const { stdout, stderr } = await run('node', ['adapters.mjs'], { cwd: folder })
    expect(stderr).toBe('')
    expect(stdout.trim().split('\n')).toEqual([
      'adapter-missing flags through OpenFeature need its SDK; run: npm install @openfeature/server-sdk @openfeature/core',
      'adapter-missing bullmq: the library cannot be loaded; run: npm install bullmq ioredis',
      'adapter-missing bee-queue: the library cannot be loaded; run: npm install bee-queue',
      'adapter-missing the Redis ledger needs ioredis: npm install ioredis',
    ])
  })

  test('is loaded with require, too', async () => {
    const code = `const { openCutover, defineConfig } = require('cutover')
      const { embeddedQueue } = require('cutover/queues/embedded')
      console.log(typeof openCutover, typeof defineConfig, typeof embeddedQueue, typeof require('cutover/testing').runHandler)`
    await write('required.cjs', code)
    const { stdout, stderr } = await run('node', ['required.cjs'], { cwd: folder })
    expect(stderr).toBe('')
    expect(stdout.trim()).toBe('function function function function')
  })

  test('has the gates alone: the published examples, evidence and bounds', async () => {
    await write(
      'gates.mjs',
      `import { readFileSync } from 'node:fs'
       import { bounds, evidence, judge } from 'cutover/gates'
       const read = (name) => JSON.parse(readFileSync(process.argv[2] + '/' + name + '.json', 'utf8')).cases
       const differs = (a, b) => a !== b && !(Math.abs(a - b) <= 1e-9 * Math.max(1, Math.abs(b)))
       const wrong = []
       const examples = read('examples')
       for (const { name, input, expect } of examples) {
         const found = judge(input)
         for (const key of ['verdict', 'reason', 'logEPass', 'logEFail', 'passAt', 'failAt']) {
           const same = typeof expect[key] === 'number' ? !differs(found[key], expect[key]) : found[key] === expect[key]
           if (!same) wrong.push([name, key, found[key], expect[key]])
         }
       }
       const { logEPass, logEFail } = evidence.rate(418, 0, 0.01)
       console.log(JSON.stringify({ examples: examples.length, wrong, logEPass, logEFail,
         paired: evidence.paired(2000, 4, 4, 0.01), weighted: evidence.weighted(5000, 22, 2, 0.1, 0.02),
         bounds: bounds(346, 0, 0.05) }))`,
    )
    const { stdout, stderr } = await run('node', ['gates.mjs', join(ROOT, 'test/data')], { cwd: folder })
    expect(stderr).toBe('')
    const told = JSON.parse(stdout)
    expect(told.examples).toBeGreaterThan(20)
    expect(told.wrong).toEqual([])
    expect(told.logEPass).toBeCloseTo(3.689763, 6)
    expect(told.logEFail).toBeCloseTo(-1.963916, 6)
    expect(told.paired.logEPass).toBeCloseTo(9.675074, 6)
    expect(told.weighted.logEPass).toBeCloseTo(4.68947, 6)
    expect(told.bounds.lower).toBe(0)
    expect(told.bounds.upper).toBeLessThanOrEqual(0.01)
  })

  test('carries what it names and nothing that it should not', async () => {
    const { stdout } = await run('tar', ['-tzf', packed.tarball], { cwd: folder })
    const files = stdout.trim().split('\n')
    expect(files).toContain('package/docs/errors.md')
    expect(files).toContain('package/schema/report-v1.schema.json')
    expect(files.filter((file) => /\/(test|bench|examples|tools|scripts)\//.test(file))).toEqual([])
    const { stdout: manifest } = await run('tar', ['-xzOf', packed.tarball, 'package/package.json'], { cwd: folder })
    expect(Object.keys(JSON.parse(manifest).dependencies).filter((name) => name.startsWith('node-'))).toEqual([])
  })

  test('publint finds nothing', async () => {
    const { code, stdout } = await run('publint', ['run', packed.tarball, '--strict'], { cwd: folder })
    expect(stdout).toContain('All good!')
    expect(code).toBe(0)
  })

  test('the example of docs/testing.md passes', async () => {
    const [example] = markedFences(await readFile(join(ROOT, 'docs/testing.md'), 'utf8'))
    expect(example?.value).toBe('handlers.test.ts')
    await write('handlers.test.ts', example?.text ?? '')
    const { code, stdout } = await run('node', ['--test', 'handlers.test.ts'], { cwd: folder })
    expect(stdout).toContain('pass 5')
    expect(code, stdout).toBe(0)
  })

  // bee-queue's own declarations want @types/redis, so only the files without it are checked with all declarations.
  test.each([
    { name: 'the quickstart', mark: 'file', skipLibCheck: false, libraries: [] },
    { name: 'the real pair', mark: 'typed', skipLibCheck: true, libraries: ['bullmq', 'bee-queue', 'ioredis'] },
  ])('$name has the types that the package declares', async ({ mark, skipLibCheck, libraries }) => {
    const files = of(mark).filter(({ value }) => value.endsWith('.ts'))
    expect(files.length).toBeGreaterThan(1)
    for (const { value, text } of files) await write(value, text)
    await lend(...libraries)
    const compilerOptions = {
      strict: true,
      noEmit: true,
      target: 'es2024',
      lib: ['es2024', 'esnext.disposable'],
      module: 'nodenext',
      types: ['node'],
      typeRoots: [join(ROOT, 'node_modules/@types')],
      allowImportingTsExtensions: true,
      erasableSyntaxOnly: true,
      verbatimModuleSyntax: true,
      skipLibCheck,
    }
    const names = [...files.map(({ value }) => value), ...(mark === 'file' ? ['handlers.test.ts'] : [])]
    await write('tsconfig.json', JSON.stringify({ compilerOptions, files: names }))
    const { code, stdout } = await run('tsc', ['-p', '.'], { cwd: folder })
    expect(stdout).toBe('')
    expect(code).toBe(0)
  })
})
