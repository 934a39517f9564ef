// The package as users get it: packed from a copy of the sources, so that a build never pulls `dist` away under another
// test, and installed into an empty folder.

import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'

export const ROOT: string = join(import.meta.dirname, '../..')
const BIN = join(ROOT, 'node_modules/.bin')

/** The pinned Node first, as in an npm script; nothing of npm's own settings of the run that this is part of. */
export function cleanEnv(more: Record<string, string> = {}): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(([name]) => !/^(npm_|VITEST|NODE_ENV$|INIT_CWD$)/.test(name))
  return { ...Object.fromEntries(own), PATH: `${BIN}${delimiter}${process.env['PATH'] ?? ''}`, NO_COLOR: '1', ...more }
}

export interface Ran {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export function run(
  command: string,
  args: readonly string[],
  options: { cwd: string; env?: NodeJS.ProcessEnv; timeoutMs?: number },
): Promise<Ran> {
  const { cwd, env = cleanEnv(), timeoutMs = 60_000 } = options
  return new Promise((resolve, reject) => {
    execFile(command, [...args], { cwd, env, timeout: timeoutMs, maxBuffer: 2 ** 25 }, (error, stdout, stderr) => {
      if (error !== null && typeof error.code !== 'number') {
        const why = error.killed === true ? `took longer than ${timeoutMs} ms` : error.message
        reject(new Error(`${command} ${args.join(' ')}: ${why}\n${stdout}\n${stderr}`))
        return
      }
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr })
    })
  })
}

const PACKED = [
  ...['package.json', 'README.md', 'LICENSE', 'CHANGELOG.md', 'tsconfig.json', 'tsconfig.build.json'],
  ...['src', 'adapters', 'bin', 'docs', 'schema', 'scripts', 'tools'],
]

/** Builds and packs; answers the tarball's path in a folder of its own. */
export async function pack(): Promise<{ tarball: string; remove: () => Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'cutover-pack-'))
  const copy = join(folder, 'source')
  const to = join(folder, 'packed')
  await mkdir(to)
  for (const name of PACKED) {
    await cp(join(ROOT, name), join(copy, name), { recursive: true, filter: (path) => !path.includes('node_modules') })
  }
  await symlink(join(ROOT, 'node_modules'), join(copy, 'node_modules'))
  const { code, stdout, stderr } = await run('npm', ['pack', '--pack-destination', to], { cwd: copy })
  if (code !== 0) throw new Error(`npm pack ended with ${code}:\n${stdout}\n${stderr}`)
  const [tarball] = await readdir(to)
  if (tarball === undefined) throw new Error('npm pack made no tarball')
  return { tarball: join(to, tarball), remove: () => rm(folder, { recursive: true, force: true }) }
}
