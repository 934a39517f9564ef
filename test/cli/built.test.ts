// The built program, and that what `init` writes type checks and runs against the built package.

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseDocument } from 'yaml'
import { type Built, buildPackage, PRODUCER, start, typeCheck } from './built.ts'
import { until } from './kit.ts'

let built: Built
beforeAll(async () => {
  built = await buildPackage()
}, 120_000)
afterAll(() => built?.remove())

describe('the program', () => {
  test('succeeds and fails with the exit codes that it promises', async () => {
    const project = built.project('codes', { type: 'module' })
    const help = await project.cutover('--help')
    expect(help).toMatchObject({ code: 0, stderr: '' })
    expect(help.stdout).toContain('Usage: cutover')
    const none = await project.cutover('status')
    expect(none).toMatchObject({ code: 1, stdout: '' })
    expect(none.stderr).toContain('config-not-found')
    const wrong = await project.cutover('rollback', '--wait', 'soon', '--json')
    expect(wrong).toMatchObject({ code: 2, stderr: '' })
    expect(JSON.parse(wrong.stdout).error.code).toBe('usage')
  })

  test('a noisy configuration with failures in the background does not spoil the answer, nor keep the program', async () => {
    const project = built.project('noisy', { type: 'module' })
    await project.cutover('init')
    const config = readFileSync(join(project.folder, 'cutover.config.ts'), 'utf8')
    project.write(
      'cutover.config.ts',
      `${config}
console.log('loading')
Promise.reject(new Error('lost redis://:hunter2@db'))
setTimeout(() => { throw new Error('thrown later') }, 1)
setInterval(() => {}, 1000)
`,
    )
    const { code, stdout, stderr } = await project.cutover('rollback', '--json')
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ latch: { set: true } })
    expect(stderr).toContain('loading')
    expect(stderr).toContain('in the background: Error: lost redis://***@db')
  })

  test('says what is missing on an older Node, and nothing else', async () => {
    const older = "Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.9.0' } })"
    const argv = ['--import', `data:text/javascript,${encodeURIComponent(older)}`, join(built.folder, 'bin/cutover.js')]
    const { code, stdout, stderr } = await start('node', [...argv, 'status'], built.folder).ended
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toBe('cutover needs Node 24 or newer, this is 20.9.0: install it, e.g. from nodejs.org\n')
  })
})

describe('init', () => {
  test('embedded: what it writes type checks, runs and ends', async () => {
    const project = built.project('embedded', { type: 'module' })
    const { code, stdout } = await project.cutover('init', '--name', 'parse-email')
    expect(code).toBe(0)
    for (const file of ['cutover.config.ts', 'cutover.flags.yaml', 'migration-plan.md', 'cutover.worker.ts']) {
      expect(stdout).toContain(`written  ${file}`)
      expect(existsSync(join(project.folder, file))).toBe(true)
    }
    expect(await typeCheck(project)).toBe('')
    expect((await project.cutover('check')).code).toBe(0)
    expect((await project.cutover('doctor')).code).toBe(0)

    const worker = start('node', ['cutover.worker.ts'], project.folder)
    try {
      project.write('produce.ts', PRODUCER)
      expect(await project.node('produce.ts')).toMatchObject({ code: 0, stderr: '' })
      await until(
        'the job is done',
        async () => {
          const report = JSON.parse((await project.cutover('report', '--json')).stdout)
          return report.migrations[0].jobs.done === 1
        },
        20_000,
      )
      expect((await project.cutover('doctor')).code).toBe(0)
    } finally {
      worker.child.kill('SIGTERM')
    }
    const end = await worker.ended
    expect(end).toMatchObject({ code: 0, stderr: '' })
    expect(end.stdout).toMatch(/legacy: job .* has 3 words/)
  }, 60_000)

  test.each([
    [
      'bee-queue and bullmq',
      { 'bee-queue': '1', bullmq: '6' },
      { legacy: 'bee-queue', target: 'bullmq', ledger: 'redis' },
    ],
    ['bee-queue alone', { 'bee-queue': '1' }, { legacy: 'bee-queue', target: 'bullmq', ledger: 'redis' }],
    ['bullmq alone', { bullmq: '6' }, { legacy: 'bullmq', target: 'bullmq', ledger: 'redis' }],
    ['neither', { express: '5' }, { legacy: 'embedded', target: 'embedded', ledger: 'sqlite' }],
  ] as const)('%s in package.json', async (name, dependencies, expected) => {
    const project = built.project(`deps-${name.replaceAll(' ', '-')}`, { type: 'module', dependencies })
    const { code, stdout } = await project.cutover('init', '--json')
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ migration: 'my-job', ...expected })
    expect(await typeCheck(project)).toBe('')
    expect(await project.cutover('check')).toMatchObject({ code: 0 })
  })

  test('options win over package.json', async () => {
    const project = built.project('options', { type: 'module', dependencies: { bullmq: '6' } })
    const argv = ['--legacy', 'bee-queue', '--target', 'embedded', '--ledger', 'sqlite', '--name', 'a.b_c']
    const { stdout } = await project.cutover('init', ...argv, '--json')
    expect(JSON.parse(stdout)).toMatchObject({
      migration: 'a.b_c',
      legacy: 'bee-queue',
      target: 'embedded',
      ledger: 'sqlite',
    })
    expect(await typeCheck(project)).toBe('')
    expect(await project.cutover('check')).toMatchObject({ code: 0 })
  })

  test.each([{ type: 'commonjs' }, {}])(
    'in a package with %o the worker runs as it is written',
    async (packageJson) => {
      const project = built.project(`type-${packageJson.type ?? 'none'}`, packageJson)
      const { stdout } = await project.cutover('init', '--json')
      const file = JSON.parse(stdout).written.find((each: string) => each.includes('worker'))
      expect(await typeCheck(project)).toBe('')
      const worker = start('node', [file], project.folder)
      await until(
        'it works',
        async () => {
          const status = JSON.parse((await project.cutover('status', '--json')).stdout)
          return status.migrations[0].processes.length === 1
        },
        20_000,
      )
      worker.child.kill('SIGTERM')
      expect((await worker.ended).code).toBe(0)
    },
    40_000,
  )

  test('never overwrites, and says what is there; --force does', async () => {
    const project = built.project('there', { type: 'module' })
    project.write('cutover.config.mjs', '// mine')
    project.write('migration-plan.md', '# mine')
    const { code, stderr } = await project.cutover('init')
    expect(code).toBe(1)
    expect(stderr).toContain('has cutover.config.mjs, migration-plan.md already; nothing was written')
    expect(existsSync(join(project.folder, 'cutover.worker.ts'))).toBe(false)
    expect((await project.cutover('init', '--force')).code).toBe(0)
    expect(readFileSync(join(project.folder, 'migration-plan.md'), 'utf8')).toContain('# my-job')
  })

  test('the plan has one block of YAML with the names in it', async () => {
    const project = built.project('plan', { type: 'module' })
    await project.cutover('init', '--name', 'parse-email', '--legacy', 'bee-queue', '--target', 'bullmq')
    const text = readFileSync(join(project.folder, 'migration-plan.md'), 'utf8')
    const found = [...text.matchAll(/```yaml cutover\n([\s\S]*?)```/g)]
    expect(found).toHaveLength(1)
    const document = parseDocument(found[0]?.[1] ?? '')
    expect(document.errors).toEqual([])
    const plan = document.toJS()
    expect(plan).toMatchObject({ version: 1, migration: 'parse-email', legacy: 'bee-queue', target: 'bullmq' })
    expect(plan.stages.map((stage: { target: string }) => stage.target)).toEqual([
      '0%',
      '0%',
      '1%',
      '10%',
      '50%',
      '100%',
    ])
  })
})
