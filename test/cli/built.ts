// The package as it is published, built into a folder of the tests' own, and projects that have it installed.

import { type ChildProcess, spawn } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const ROOT = join(import.meta.dirname, '../..')
const BIN = join(ROOT, 'node_modules/.bin')

export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export function start(
  command: string,
  args: readonly string[],
  cwd: string,
  more: Readonly<Record<string, string>> = {},
): { child: ChildProcess; ended: Promise<Ended> } {
  const env = { ...process.env, PATH: `${BIN}:${process.env['PATH']}`, NO_COLOR: '1', ...more }
  const child = spawn(command, [...args], { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] })
  const told = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]?.on('data', (chunk: Buffer) => {
      told[name] += chunk.toString()
    })
  }
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => resolve({ code, ...told }))
  })
  return { child, ended }
}

export interface Built {
  readonly folder: string
  /** A new project folder with the package installed; its programs see these variables, too. */
  project(name: string, packageJson: object, env?: Readonly<Record<string, string>>): Project
  remove(): void
}

export interface Project {
  readonly folder: string
  readonly cutover: (...argv: string[]) => Promise<Ended>
  /** Runs one of its modules to the end. */
  readonly node: (...argv: string[]) => Promise<Ended>
  write(file: string, text: string): void
}

/** Inside the repository, so that dependencies are found upwards as in an installed package. */
export async function buildPackage(): Promise<Built> {
  mkdirSync(join(ROOT, 'test/.tmp'), { recursive: true })
  const folder = mkdtempSync(join(ROOT, 'test/.tmp/cli-'))
  const { ended } = start('tsc', ['-p', join(ROOT, 'tsconfig.build.json'), '--outDir', join(folder, 'dist')], ROOT)
  const { stdout } = await ended
  if (!existsSync(join(folder, 'dist/src/cli/bin.js'))) throw new Error(`nothing was built:\n${stdout}`)
  cpSync(join(ROOT, 'bin'), join(folder, 'bin'), { recursive: true })
  cpSync(join(ROOT, 'package.json'), join(folder, 'package.json'))
  return {
    folder,
    project: (name, packageJson, env = {}) => {
      const place = join(folder, name)
      mkdirSync(join(place, 'node_modules'), { recursive: true })
      symlinkSync(folder, join(place, 'node_modules/cutover'), 'dir')
      writeFileSync(join(place, 'package.json'), JSON.stringify({ name, ...packageJson }))
      return {
        folder: place,
        cutover: (...argv) => start('node', [join(folder, 'bin/cutover.js'), ...argv], place, env).ended,
        node: (...argv) => start('node', argv, place, env).ended,
        write: (file, text) => writeFileSync(join(place, file), text),
      }
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}

const TSCONFIG = JSON.stringify({
  compilerOptions: {
    ...{
      target: 'es2024',
      module: 'nodenext',
      types: ['node'],
      strict: true,
      noEmit: true,
      allowImportingTsExtensions: true,
    },
    ...{ exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true, noUnusedLocals: true, skipLibCheck: true },
  },
  include: ['*.ts', '*.mts'],
})

/** What the compiler says of all modules of a project; nothing where they are right. */
export async function typeCheck(project: Project): Promise<string> {
  project.write('tsconfig.json', TSCONFIG)
  const { code, stdout } = await start('tsc', ['-p', '.'], project.folder).ended
  return code === 0 ? '' : stdout
}

/** Makes one job, with the configuration that `init --name parse-email` wrote, and prints its route. */
export const PRODUCER = `import { openCutover } from 'cutover'
import config from './cutover.config.ts'
const cutover = await openCutover(config)
const { route } = await cutover.enqueue('parse-email', { id: 'mail-1', text: 'three short words' })
console.log(route)
await cutover.close()
`
