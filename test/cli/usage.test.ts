import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { call, type Told } from './kit.ts'

const cwd = mkdtempSync(join(tmpdir(), 'cutover-cli-usage-'))
afterAll(() => rmSync(cwd, { recursive: true, force: true }))
const cli = (...argv: string[]): Promise<Told> => call(argv, { cwd })

const COMMANDS = [
  ...[['init'], ['check'], ['doctor'], ['status'], ['report'], ['mismatches'], ['job'], ['explain'], ['history']],
  ...[['flag'], ['flag', 'get'], ['flag', 'set'], ['rollback'], ['unlatch'], ['move']],
  ...[['schedules'], ['unschedule'], ['jobs'], ['force'], ['retry'], ['discard'], ['finish']],
]

describe('help', () => {
  test.each(COMMANDS.map((command) => [command.join(' '), command] as const))(
    '%s: examples and global options',
    async (name, command) => {
      const { code, stdout, stderr } = await cli(...command, '--help')
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
      expect(stdout).toContain(`Usage: cutover ${name}`)
      expect(stdout).toMatch(new RegExp(`\\$ cutover ${command[0]}`))
      expect(stdout).toContain('--json')
      expect(stdout).toContain('--config <path>')
    },
  )

  test.each([['flag', 'set'], ['rollback'], ['unlatch'], ['move'], ['unschedule'], ['force'], ['retry'], ['discard']])(
    '%s %s takes --by and --why',
    async (...command) => {
      const { stdout } = await cli(...command.filter((word) => word !== undefined), '--help')
      expect(stdout).toContain('--by <who>')
      expect(stdout).toContain('--why <reason>')
    },
  )

  test('the top names every command and the exit codes', async () => {
    const { code, stdout } = await cli('--help')
    expect(code).toBe(0)
    for (const [command] of COMMANDS) expect(stdout).toContain(`  ${command}`)
    expect(stdout).toContain('Exit codes')
  })

  test('--version', async () => {
    const { code, stdout } = await cli('--version')
    expect(code).toBe(0)
    expect(stdout).toMatch(/^\d+\.\d+\.\d+/)
  })
})

const WRONG: readonly (readonly [string, readonly string[], RegExp])[] = [
  ['no command', [], /Usage: cutover/],
  ['flag without a subcommand', ['flag'], /Usage: cutover flag/],
  ['a command that is not there', ['statsu'], /unknown command 'statsu'[\s\S]*status/],
  ['an option that is not there', ['status', '--wach'], /unknown option '--wach'/],
  ['an argument too many', ['status', 'a', 'b'], /too many arguments/],
  ['a share without its sign', ['flag', 'set', 'x', '--target', '25'], /--target.*"25" is not a share.*25%/],
  ['a share that is too fine', ['flag', 'set', 'x', '--shadow', '0.05%'], /too fine/],
  ['a share above all', ['flag', 'set', 'x', '--control', '101%'], /not a share/],
  ['a duration without a unit', ['rollback', '--wait', '3'], /not a duration/],
  ['a format that is not there', ['report', '--format', 'pdf'], /Allowed choices are text, md, json/],
  ['formats that contradict', ['report', '--json', '--format', 'md'], /contradict/],
  ['explain without a key', ['explain', 'x'], /--key/],
  ['nothing to set', ['flag', 'set', 'x'], /nothing to set/],
  ['a limit that is no number', ['history', '--limit', 'many'], /whole number/],
  ['an empty reason', ['rollback', '--why', ' '], /write a text/],
  ['a name that is none', ['init', '--name', 'a b'], /not a name/],
]

describe('wrong usage is exit code 2', () => {
  test.each(WRONG.filter(([, argv]) => !argv.includes('--json')))('%s', async (_name, argv, says) => {
    const { code, stdout, stderr } = await cli(...argv)
    expect(stderr).toMatch(says)
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).not.toMatch(/\n\s+at /)
  })

  test.each(WRONG.filter(([, argv]) => argv.length > 0 && argv.join() !== 'flag'))(
    '%s, as JSON',
    async (_name, argv, says) => {
      const { code, stdout, stderr } = await cli('--json', ...argv.filter((word) => word !== '--json'), '--json')
      const { error } = JSON.parse(stdout)
      expect(code).toBe(2)
      expect(error.code).toBe('usage')
      expect(`${error.message}`).toMatch(new RegExp(says.source.split('[')[0] as string))
      expect(stderr).toBe('')
    },
  )
})

describe('no configuration', () => {
  test('says what was looked for and what to do', async () => {
    const { code, stdout, stderr } = await cli('status')
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toContain('cutover.config.ts, cutover.config.js, cutover.config.mjs')
    expect(stderr).toContain('cutover init')
    expect(stderr).toContain('config-not-found')
  })

  test('--config names the path that is not there; before or after the command', async () => {
    for (const argv of [
      ['--config', 'no.ts', 'status'],
      ['status', '--config', 'no.ts'],
    ]) {
      const { code, stdout } = await cli(...argv, '--json')
      const { error } = JSON.parse(stdout)
      expect(code).toBe(1)
      expect(error).toMatchObject({ code: 'config-not-found', details: { looked: [join(cwd, 'no.ts')] } })
    }
  })
})
