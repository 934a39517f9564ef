// Durations as people write them: `250ms`, `60s`, `10m`, `4h`, `14d`.

import { CutoverError } from './errors.ts'

/** A duration: a text such as `60s` or `1h`, or a number of milliseconds. */
export type Duration = `${number}${'ms' | 's' | 'm' | 'h' | 'd'}` | number

const UNITS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/** Milliseconds of a duration; refuses anything else by naming `where`. */
export function parseDuration(value: unknown, where: string): number {
  if (typeof value === 'number' && Number.isFinite(value) && value >= 0) return value
  const match = typeof value === 'string' ? /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(value.trim()) : null
  if (match === null) {
    throw new CutoverError(
      'option-invalid',
      `${where}: ${JSON.stringify(value) ?? String(value)} is not a duration; write a number with a unit (ms, s, m, h, d), e.g. "10s"`,
      { details: { where } },
    )
  }
  return Number(match[1]) * UNITS[match[2] as keyof typeof UNITS]
}

/** `90000` → `1m30s`; two units at most. */
export function formatDuration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)}ms`
  const parts: string[] = []
  let rest = Math.round(ms / 1000) * 1000
  for (const unit of ['d', 'h', 'm', 's'] as const) {
    const count = Math.floor(rest / UNITS[unit])
    if (count > 0) parts.push(`${count}${unit}`)
    rest -= count * UNITS[unit]
    if (parts.length === 2) break
  }
  return parts.join('')
}
