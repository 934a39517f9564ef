// A process that writes flags, for the tests of concurrent writers: `flag-writer.ts FILE FLAG TIMES`.

import { fileFlags } from '../../adapters/flags/file/index.ts'

const [path = '', flag = '', times = '0'] = process.argv.slice(2)
const source = fileFlags({ path }).create({ flags: [flag] })
for (let count = 1; count <= Number(times); count++) {
  await source.writer?.write(flag, { target: count / 1000, shadow: 0 })
}
await source.close()
