// Installs what the tests need on the machine: a Redis server and a browser, as root on Debian with apt; anywhere else
// it prints the line to run and ends well, as the tests of what is missing are skipped there. And an Unleash server
// with its PostgreSQL, as npm packages with a lock file of their own.

import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const NEEDS = [
  { command: 'redis-server', args: ['--version'], apt: 'redis-server', brew: 'redis' },
  { command: 'chromium', args: ['--version', '--no-sandbox'], apt: 'chromium', brew: 'chromium' },
] as const

function has(command: string, args: readonly string[]): boolean {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0
}

const missing = NEEDS.filter((need) => !has(need.command, need.args))
if (missing.length === 0) {
  process.stdout.write(`setup: everything is there (${NEEDS.map((need) => need.command).join(', ')})\n`)
} else {
  const packages = missing.map((need) => need.apt)
  const debian = existsSync('/etc/debian_version') && has('apt-get', ['--version'])
  if (debian && process.getuid?.() === 0) {
    const run = (args: readonly string[]): void => {
      const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
      const done = spawnSync('apt-get', args, { stdio: 'inherit', env })
      if (done.status !== 0) process.exit(done.status ?? 1)
    }
    run(['update', '-qq'])
    run(['install', '-y', '-qq', '--no-install-recommends', ...packages])
    process.stdout.write(`setup: installed ${packages.join(', ')}\n`)
  } else {
    const line = debian
      ? `sudo apt-get install -y --no-install-recommends ${packages.join(' ')}`
      : process.platform === 'darwin'
        ? `brew install ${missing.map((need) => need.brew).join(' ')}`
        : `install ${missing.map((need) => need.command).join(', ')} with your package manager`
    process.stdout.write(`setup: missing: ${missing.map((need) => need.command).join(', ')}. Run:\n  ${line}\n`)
  }
}

installUnleash(join(import.meta.dirname, '../test/unleash'))

/** The packages of `test/unleash`, unless they are there as its lock file says. Scripts of packages are not run. */
function installUnleash(folder: string): void {
  const lock = createHash('sha256')
    .update(readFileSync(join(folder, 'package-lock.json')))
    .digest('hex')
  const mark = join(folder, 'node_modules/.installed')
  if (existsSync(mark) && readFileSync(mark, 'utf8') === lock) {
    process.stdout.write('setup: the Unleash server for the tests is there\n')
    return
  }
  const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund']
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm'
  const done = spawnSync(npm, args, { cwd: folder, stdio: 'inherit', shell: process.platform === 'win32' })
  if (done.status === 0) {
    writeFileSync(mark, lock)
    process.stdout.write('setup: installed the Unleash server for the tests\n')
    return
  }
  process.stdout.write(`setup: no Unleash server for the tests. Run:\n  cd test/unleash && npm ${args.join(' ')}\n`)
  if (process.env['CI'] === 'true') process.exit(1)
}
