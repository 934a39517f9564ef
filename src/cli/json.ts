// One JSON value on standard output: safe to look at on a terminal, without secrets.

import { safeJson } from '../report/json.ts'
import { redactDeep } from '../report/redact.ts'

export function jsonText(value: unknown): string {
  return safeJson(redactDeep(plain(value)))
}

/** As JSON has it: without undefined, with `toJSON` done. */
function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value ?? null))
}
