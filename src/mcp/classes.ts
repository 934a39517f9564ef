// Every way in which a probe can fail, in one table: what it means and what to look at. Tests go through it.

import { PROBE_FAILURES, type ProbeFailure } from '../vocabulary/probe.ts'

export interface FailureClass {
  /** In plain words; completes "the server could not be used: …". */
  readonly meaning: string
  /** What to look at or to do. */
  readonly advice: string
}

export const FAILURE_CLASSES: Readonly<Record<ProbeFailure, FailureClass>> = Object.freeze({
  'not-configured': {
    meaning: 'the configuration that this worker has loaded does not know the server',
    advice: 'deploy the configuration that names it, and restart the worker',
  },
  'skipped-by-guard': {
    meaning: 'the worker has its tools switched off by a guard, so its handlers run without them',
    advice: 'lift the guard once a probe without it succeeds',
  },
  'env-missing': {
    meaning: 'a variable that the server needs is not set in this process',
    advice: 'set it in the environment of this worker; a server is handed only what env and passEnv name',
  },
  'sdk-missing': {
    meaning: 'the MCP library cannot be loaded here',
    advice: 'npm install @modelcontextprotocol/sdk',
  },
  'worker-never-picked-up': {
    meaning: 'no worker of this side took the probe in time',
    advice: 'see that a worker is there and not busy with jobs that came before',
  },
  'worker-went-down': {
    meaning: 'a worker took the probe and did not bring it to an end',
    advice: "look at the worker's own log around that time",
  },
  'loop-blocked': {
    meaning: "the worker's event loop stood still, so that no time-out in it could fire",
    advice: 'find the synchronous call in the stack below and take it off the main thread',
  },
  'command-not-found': {
    meaning: 'the command cannot be started here',
    advice: "compare PATH, working folder and file modes of this worker with the baseline's",
  },
  'spawn-blocked': {
    meaning: 'the creation of the child process did not return',
    advice:
      'look at what is loaded into the worker (LD_PRELOAD, agents, seccomp) and at the file system of the command',
  },
  unreachable: {
    meaning: 'no connection to the server can be made from here',
    advice: 'compare name resolution, proxies, certificates and firewalls with a place where it works',
  },
  redirected: {
    meaning: 'the server sends elsewhere, to another host or endlessly, and this is not followed',
    advice: 'write the final URL into the configuration, if it is to be trusted',
  },
  auth: { meaning: 'the server refuses these credentials', advice: 'compare the token with a place where it works' },
  'http-error': {
    meaning: 'the server answers with an HTTP error',
    advice: "look at the URL's path and at the server's log",
  },
  'sse-no-endpoint': {
    meaning: 'the event stream never named the endpoint to send to',
    advice: 'see whether the URL is that of an event stream, and whether a proxy buffers it',
  },
  crashed: { meaning: 'the server ended by itself', advice: 'read the last lines of its standard error below' },
  'no-initialize': {
    meaning: 'the server is there and never answered "initialize"',
    advice: 'see what it waits for: a login, a lock, a download, an answer of another server',
  },
  'protocol-version': {
    meaning: 'server and client have no protocol version in common',
    advice: 'update the older of the two',
  },
  'protocol-error': {
    meaning: 'the server answers against the protocol',
    advice: 'report it to whoever makes the server',
  },
  'stdout-pollution': {
    meaning: 'the server writes something else than messages to its standard output',
    advice: 'let it log to standard error',
  },
  'too-large': {
    meaning: 'the server sends more than is accepted',
    advice: 'see why: a message may have 8 MB, a whole probe 64 MB',
  },
  'timeout-list': {
    meaning: 'the server did not finish listing its tools in time',
    advice: "see what it asks for its list; raise timeouts.list if that is the server's normal pace",
  },
  'no-tools': {
    meaning: 'the server lists no tools',
    advice: 'an empty list is a failure: see whether it lacks a permission, a folder or a token here',
  },
  'too-many-tools': {
    meaning: 'the server lists more tools than are accepted',
    advice: 'see why: 1,000 are accepted',
  },
  'timeout-call': {
    meaning: 'the sample call was not answered in time',
    advice: 'see what the tool waits for; raise timeouts.call if that is its normal pace',
  },
  'call-failed': {
    meaning: 'the server lists its tools and fails at the sample call',
    advice: 'servers list without a token and need it for the call: compare the environment',
  },
})

export function isFailure(name: string): name is ProbeFailure {
  return (PROBE_FAILURES as readonly string[]).includes(name)
}

/** A failure that is known for what it is, on its way up. Its message is shown: no secret in it. */
export class ProbeError extends Error {
  readonly failure: ProbeFailure

  constructor(failure: ProbeFailure, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'ProbeError'
    this.failure = failure
  }
}
