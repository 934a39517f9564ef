// Which call shows that a server works? Pure.

import type { McpSample } from './config.ts'

export interface SampleCall {
  readonly tool: string
  readonly arguments?: Readonly<Record<string, unknown>>
}

interface Candidate {
  readonly name: string
  readonly inputSchema: { readonly required?: readonly string[] | undefined }
  readonly annotations?: { readonly readOnlyHint?: boolean | undefined } | undefined
}

/** The call to make, why none is made, or undefined where none was asked for. */
export function sampleOf(sample: McpSample | undefined, tools: readonly Candidate[]): SampleCall | string | undefined {
  if (sample !== 'read-only') return sample
  const found = tools.find(
    ({ annotations, inputSchema }) => annotations?.readOnlyHint === true && (inputSchema.required ?? []).length === 0,
  )
  return found === undefined ? 'none: no tool is read-only and needs no arguments' : { tool: found.name }
}
