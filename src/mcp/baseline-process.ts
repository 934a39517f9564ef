// The plain process in which a server is tried once more: so that "the server is broken" and "the worker breaks it" can
// be told apart. Reads its request from standard input, as it holds secrets, and answers on standard output.

import { text } from 'node:stream/consumers'
import { type BaselineInput, RESULT_MARK } from './baseline.ts'
import { type ProbeRequest, probeServer } from './probe.ts'

const { request, server, deadlineAt } = JSON.parse(await text(process.stdin)) as BaselineInput
const ready: ProbeRequest['server'] = server.transport === 'stdio' ? server : { ...server, url: new URL(server.url) }
const record = await probeServer({ ...request, server: ready, deadlineMs: Math.max(1, deadlineAt - Date.now()) })
// exits whatever is still open: the parent counts what is left
process.stdout.write(`${RESULT_MARK}${JSON.stringify(record)}\n`, () => process.exit(0))
