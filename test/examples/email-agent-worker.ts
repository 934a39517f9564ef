// A worker process for the kill test: files every job of its list, and says a line for each on standard output.
// node email-agent-worker.ts EMAILS JOBS; the store comes from the environment, as in the demo.

import { parseEmailLegacy } from '../../examples/email-agent/handlers.ts'
import { multiply, readEmails } from '../../examples/email-agent/input.ts'
import { testContext } from './email-agent-kit.ts'

const [folder = '', jobs = ''] = process.argv.slice(2)
for (const { id, email } of multiply(readEmails(folder), { jobs: Number(jobs) })) {
  await parseEmailLegacy(email, testContext('parse-email', { id }))
  process.stdout.write(`${id}\n`)
}
