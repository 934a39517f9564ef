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
): { child: ChildProcess; ended: Promise<Ended> } {
  const env = { ...process.env, PATH: `${BIN}:${process.env['PATH']}`, NO_COLOR: '1' }
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
  /** A new project folder with the package installed. */
  project(name: string, packageJson: object): Project
  remove(): void
}

export interface Project {
  readonly folder: string
  readonly cutover: (...argv: string[]) => Promise<Ended>
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
    project: (name, packageJson) => {
      const place = join(folder, name)
      mkdirSync(join(place, 'node_modules'), { recursive: true })
      symlinkSync(folder, join(place, 'node_modules/cutover'), 'dir')
      writeFileSync(join(place, 'package.json'), JSON.stringify({ name, ...packageJson }))
      return {
        folder: place,
        cutover: (...argv) => start('node', [join(folder, 'bin/cutover.js'), ...argv], place).ended,
        write: (file, text) => writeFileSync(join(place, file), text),
      }
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}
