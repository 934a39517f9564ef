// The report for programs: one JSON object, as `schema/report-v1.schema.json` says, and nothing else.

import type { ReportModel } from './model.ts'

// What a terminal would act on or not show. Line feeds are the layout's own: within strings they are escaped already.
const INVISIBLE = /(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu

/** ASCII escapes instead of characters that act on a terminal: the same data, safe to look at. */
export function jsonReport(model: ReportModel): string {
  return safeJson(model)
}

/** The same for any JSON value. */
export function safeJson(value: unknown): string {
  const json = JSON.stringify(value, null, 2)
  return `${json.replace(INVISIBLE, escapeUnits)}\n`
}

function escapeUnits(character: string): string {
  let escaped = ''
  for (let at = 0; at < character.length; at += 1) {
    escaped += `\\u${character.charCodeAt(at).toString(16).padStart(4, '0')}`
  }
  return escaped
}
