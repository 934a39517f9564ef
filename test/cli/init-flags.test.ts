// Where `init` puts the flag: what it writes and says leads to a flag that is obeyed, with Unleash and through OpenFeature.

import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { hasUnleash, startUnleash, type UnleashServer } from '../support/unleash.ts'
import { type Built, buildPackage, PRODUCER, type Project, typeCheck } from './built.ts'
import { until } from './kit.ts'

let built: Built
beforeAll(async () => {
  built = await buildPackage()
}, 120_000)
afterAll(() => built?.remove())

interface Said {
  readonly flags: string
  readonly written: readonly string[]
  readonly next: readonly string[]
}

async function init(project: Project, ...argv: string[]): Promise<Said> {
  const { code, stdout, stderr } = await project.cutover('init', '--name', 'parse-email', ...argv, '--json')
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  return JSON.parse(stdout) as Said
}

test.each([
  ['nothing of a vendor', { express: '5' }, [], 'file', 'cutover.flags.yaml'],
  ['unleash-client', { 'unleash-client': '6' }, [], 'unleash', undefined],
  ['the provider of flagd', { '@openfeature/flagd-provider': '0.16' }, [], 'openfeature', 'cutover.flagd.json'],
  ['unleash-client, and an option', { 'unleash-client': '6' }, ['--flags', 'file'], 'file', 'cutover.flags.yaml'],
] as const)('%s', async (name, dependencies, argv, flags, file) => {
  const project = built.project(`flags-${name.replaceAll(/\W+/g, '-')}`, { type: 'module', dependencies })
  const said = await init(project, ...argv)
  expect(said.flags).toBe(flags)
  expect(said.written.filter((each) => /flag/.test(each))).toEqual(file === undefined ? [] : [file])
  for (const each of said.written) expect(existsSync(join(project.folder, each))).toBe(true)
  expect(await typeCheck(project)).toBe('')
})

test('another kind is refused, and nothing is written', async () => {
  const project = built.project('flags-other', { type: 'module' })
  const { code, stderr } = await project.cutover('init', '--flags', 'launchdarkly')
  expect(code).toBe(2)
  expect(stderr).toMatch(/file, unleash, openfeature/)
  expect(existsSync(join(project.folder, 'cutover.config.ts'))).toBe(false)
})

test('openfeature: the file that it writes is obeyed, and what flag set says goes into it', async () => {
  const project = built.project('openfeature', { type: 'module' })
  const { next } = await init(project, '--flags', 'openfeature')
  expect(next[0]).toBe('npm install cutover @openfeature/server-sdk @openfeature/core @openfeature/flagd-provider')
  expect(await typeCheck(project)).toBe('')
  expect(await project.cutover('check')).toMatchObject({ code: 0 })
  expect(await project.cutover('doctor')).toMatchObject({ code: 0 })
  project.write('produce.ts', PRODUCER)
  expect(await project.node('produce.ts')).toMatchObject({ code: 0, stdout: 'legacy\n', stderr: '' })
  const set = await project.cutover('flag', 'set', 'parse-email', '--target', '100%', '--wait', '100ms')
  const definition = /with flagd: (\{.*\})/.exec(set.stdout + set.stderr)?.[1] ?? 'nothing'
  project.write('cutover.flagd.json', JSON.stringify({ flags: JSON.parse(definition) }))
  expect((await project.node('produce.ts')).stdout).toBe('target\n')
}, 60_000)

describe.skipIf(!hasUnleash())('unleash', () => {
  let server: UnleashServer
  beforeAll(async () => {
    server = await startUnleash()
  }, 120_000)
  afterAll(() => server?.stop())

  test('with the variables that it names: from nothing to a flag that is obeyed', async () => {
    const environment = 'development'
    const project = built.project(
      'unleash',
      { type: 'module' },
      {
        ...{ UNLEASH_URL: server.url, UNLEASH_TOKEN: server.backendToken, UNLEASH_ADMIN_TOKEN: server.adminToken },
        UNLEASH_ENVIRONMENT: environment,
      },
    )
    const { next } = await init(project, '--flags', 'unleash')
    expect(next[0]).toBe('npm install cutover')
    for (const name of ['UNLEASH_URL', 'UNLEASH_TOKEN', 'UNLEASH_ADMIN_TOKEN', 'UNLEASH_ENVIRONMENT']) {
      expect(next.join('\n')).toContain(`${name}=…`)
      expect(readFileSync(join(project.folder, 'cutover.config.ts'), 'utf8')).toContain(`'${name}'`)
    }
    const create = next.find((step) => step.startsWith('npx cutover flag create'))
    expect(await typeCheck(project)).toBe('')
    const created = await project.cutover(...(create ?? '').split(' ').slice(2))
    expect(created).toMatchObject({ code: 0, stdout: expect.stringContaining('with both dials at 0%') })
    expect(await project.cutover('check')).toMatchObject({ code: 0 })
    expect(await project.cutover('doctor')).toMatchObject({ code: 0 })
    project.write('produce.ts', PRODUCER)
    expect(await project.node('produce.ts')).toMatchObject({ code: 0, stdout: 'legacy\n', stderr: '' })
    expect(await project.cutover('flag', 'set', '--target', '100%')).toMatchObject({ code: 0 })
    // the server shows it within a second
    await until('jobs go to target', async () => (await project.node('produce.ts')).stdout === 'target\n', 20_000)
  }, 60_000)

  test('without a token: check and doctor say which variable, and jobs go to legacy', async () => {
    const token = `default:development.${randomBytes(20).toString('hex')}`
    const project = built.project('no-token', { type: 'module' }, { UNLEASH_URL: server.url, UNLEASH_TOKEN: '' })
    await init(project, '--flags', 'unleash')
    for (const command of ['check', 'doctor']) {
      const { stdout } = await project.cutover(command)
      expect(stdout, command).toMatch(/no Unleash token in the variable UNLEASH_TOKEN/)
    }
    project.write('produce.ts', PRODUCER)
    expect((await project.node('produce.ts')).stdout).toBe('legacy\n')
    const wrong = built.project('wrong-token', { type: 'module' }, { UNLEASH_URL: server.url, UNLEASH_TOKEN: token })
    await init(wrong, '--flags', 'unleash')
    const { code, stdout } = await wrong.cutover('doctor')
    expect(code).toBe(1)
    expect(stdout).toMatch(/does not know the token in the variable UNLEASH_TOKEN/)
    expect(stdout).not.toContain(token)
  }, 60_000)
})
