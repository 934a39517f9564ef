// Says in one sentence what is wrong when a script of this project is started on a Node that cannot run it.
// Plain JavaScript of an old kind on purpose: it has to parse on the Node that it refuses.
const needed = 24
const found = Number(process.versions.node.split('.')[0])
if (found < needed) {
  process.stderr.write(
    `cutover needs Node ${needed} or newer, this is ${process.versions.node}. ` +
      'On Linux and Windows x64 `npm ci` brings a pinned Node for `npm run …`; elsewhere install Node 24 first.\n',
  )
  process.exit(1)
}
