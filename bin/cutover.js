#!/usr/bin/env node
// Says what is missing on a Node that cannot run the rest, and only then loads it.
const major = Number(process.versions.node.split('.')[0])
if (major < 24) {
  process.stderr.write(
    `cutover needs Node 24 or newer, this is ${process.versions.node}: install it, e.g. from nodejs.org\n`,
  )
  process.exitCode = 1
} else {
  import('../dist/src/cli/bin.js').catch((cause) => {
    process.stderr.write(`cutover could not be loaded: ${cause instanceof Error ? cause.message : String(cause)}\n`)
    process.exitCode = 1
  })
}
