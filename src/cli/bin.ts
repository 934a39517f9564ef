// The program: this process's streams and arguments, handed to `run`.
//
// Standard output belongs to the command's answer. What the user's configuration prints goes to standard error, and
// what fails in the background (a client that it opened, a Redis that is down) never ends a command under way.

import { redactSecrets } from '../report/redact.ts'
import { failureOf } from './failure.ts'
import { run } from './run.ts'

const say = (text: string): void => {
  process.stderr.write(redactSecrets(text))
}

for (const method of ['log', 'info', 'debug', 'dir', 'table'] as const) console[method] = console.error.bind(console)

const background = (error: unknown): void => {
  say(`cutover: in the background: ${failureOf(error).message}\n`)
}
process.on('unhandledRejection', background)
process.on('uncaughtException', background)

// `cutover report | head`: nobody reads on, which is no error
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0)
  say(`cutover: standard output cannot be written: ${error.message}\n`)
  process.exit(1)
})

/** 128 + the number of SIGINT, as shells have it. */
const INTERRUPTED = 130
let interrupted: AbortController | undefined
const interrupt = (): AbortSignal => {
  if (interrupted !== undefined) return interrupted.signal
  const controller = new AbortController()
  interrupted = controller
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (controller.signal.aborted) process.exit(INTERRUPTED)
      controller.abort()
    })
  }
  return controller.signal
}

const exit = await run(process.argv.slice(2), {
  stdout: process.stdout,
  stderr: process.stderr,
  cwd: process.cwd(),
  env: process.env,
  isTTY: process.stdout.isTTY === true,
  interrupt,
  ...(process.stderr.isTTY === true ? { terminal: process.stderr } : {}),
  // getters: a terminal may change its size while `status --watch` looks
  ...(process.stdout.columns === undefined
    ? {}
    : {
        get columns() {
          return process.stdout.columns
        },
        get rows() {
          return process.stdout.rows
        },
      }),
})

// What the configuration may have opened must not keep the program; what was printed must have gone out.
process.stdout.write('', () => process.stderr.write('', () => process.exit(exit)))
