// One JSON value on standard output: safe to look at on a terminal, without secrets.

import { redactDeep } from './redact.ts'

// What a terminal would act on or not show. Line feeds are the layout's own: within strings they are escaped already.
const INVISIBLE = /(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu

export function jsonText(value: unknown): string {
  const json = JSON.stringify(redactDeep(plain(value)), null, 2)
  return `${json.replace(INVISIBLE, escapeUnits)}\n`
}

/** As JSON has it: without undefined, with `toJSON` done. */
function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value ?? null))
}

function escapeUnits(character: string): string {
  let escaped = ''
  for (let at = 0; at < character.length; at += 1) {
    escaped += `\\u${character.charCodeAt(at).toString(16).padStart(4, '0')}`
  }
  return escaped
}
