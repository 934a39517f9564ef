// Compiles what is published: `src/` and `adapters/` to `dist/`, with declarations.

import { spawnSync } from 'node:child_process'
import { rmSync } from 'node:fs'

rmSync(new URL('../dist', import.meta.url), { recursive: true, force: true })
const built = spawnSync('tsc', ['-p', 'tsconfig.build.json'], { stdio: 'inherit', shell: process.platform === 'win32' })
if (built.error !== undefined) throw built.error
process.exitCode = built.status ?? 1
