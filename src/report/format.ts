// How are numbers, times and foreign text written? The same in every view, and the same in every locale.
//
// Text that comes from payloads, ids or people is hostile: nothing of it may move the cursor, change a colour, turn the
// reading direction or vanish. What could is shown as its escape (`\u202e`), never dropped.

import type { Interval } from './model.ts'

const THOUSANDS = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 })

/** `12400` → `12,400`. */
export function formatCount(n: number): string {
  return THOUSANDS.format(n)
}

const COMPACT = new Intl.NumberFormat('en-US', { notation: 'compact', maximumSignificantDigits: 3 })

/** For axes: `12400` → `12.4K`. */
export function compactCount(n: number): string {
  return COMPACT.format(n)
}

/** `1 job`, `12,400 jobs`. */
export function plural(n: number, one: string, many: string = `${one}s`): string {
  return `${formatCount(n)} ${n === 1 ? one : many}`
}

/**
 * `0.184` → `18.4 %`. One decimal from 1 % on, two digits below. Never rounds something to nothing, nor not-all to all.
 */
export function formatShare(share: number | null): string {
  if (share === null) return '–'
  const percent = share * 100
  if (percent > 0 && percent < 0.01) return '<0.01 %'
  if (percent < 100 && percent >= 99.95) return '>99.9 %'
  return `${Number(percent < 1 ? percent.toPrecision(2) : percent.toFixed(1))} %`
}

/** `8.2–9.9 %`, rounded outwards: the printed interval always holds the computed one. */
export function formatInterval({ lower, upper }: Interval): string {
  const digits = upper < 0.01 ? 3 : upper - lower < 0.01 ? 2 : 1
  const scale = 10 ** digits
  const down = Math.floor(lower * 100 * scale + 1e-9) / scale
  const up = Math.min(100, Math.ceil(upper * 100 * scale - 1e-9) / scale)
  return `${down}–${up} %`
}

/** `0.968 – 1.082 ×`, rounded outwards. */
export function formatTimes({ lower, upper }: { readonly lower: number; readonly upper: number }): string {
  return `${Math.floor(lower * 1000 + 1e-6) / 1000} – ${Math.ceil(upper * 1000 - 1e-6) / 1000} ×`
}

/** What the interval's units are. */
export function unitsPhrase({ unit, units }: Interval): string {
  return unit === 'key' ? plural(units, 'first job of a key', 'first jobs of keys') : plural(units, 'pair')
}

/** `0.42 ms`, `12.3 ms`, `1.24 s`, `2.1 min`. */
export function formatMs(ms: number | null): string {
  if (ms === null) return '–'
  if (ms >= 3_600_000) return `${threeDigits(ms / 3_600_000)} h`
  if (ms >= 60_000) return `${threeDigits(ms / 60_000)} min`
  return ms >= 1000 ? `${threeDigits(ms / 1000)} s` : `${threeDigits(ms)} ms`
}

function threeDigits(n: number): string {
  if (n >= 100) return formatCount(n)
  return String(Number(n >= 10 ? n.toFixed(1) : n.toFixed(2)))
}

/** `2026-11-22T14:02:11.123Z` → `2026-11-22 14:02:11 UTC`. */
export function formatTime(iso: string): string {
  return `${iso.slice(0, 10)} ${iso.slice(11, 19)} UTC`
}

// Controls, format characters (bidi overrides, zero width, tags), line separators, lone surrogates, private use,
// unassigned, and the two letters that look like nothing.
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Co}\p{Cn}\u115f\u1160\u3164\uffa0\u2800]/gu
/** More than this many combining marks on one letter climb over other lines. */
const STACKED = /(\p{M}{3})\p{M}+/gu

/** Foreign text on one line: whatever is invisible or acts on a terminal is written as an escape. */
export function safeText(text: string): string {
  return text.replace(INVISIBLE, escapeOf).replace(STACKED, '$1')
}

const SHORT_ESCAPES: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }

function escapeOf(character: string): string {
  const short = SHORT_ESCAPES[character]
  if (short !== undefined) return short
  const code = character.codePointAt(0) ?? 0
  return code > 0xffff ? `\\u{${code.toString(16)}}` : `\\u${code.toString(16).padStart(4, '0')}`
}

/** Cuts to `length` characters, the last one being `…`; never through a surrogate pair. */
export function cut(text: string, length: number): string {
  if (text.length <= length) return text
  // two units a character at most: what is behind them need not be looked at
  const characters = [...text.slice(0, 2 * length + 2)]
  return characters.length <= length ? text : `${characters.slice(0, length - 1).join('')}…`
}
