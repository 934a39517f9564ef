// How is one value of a plan read? Each reader reports what is wrong, with what is allowed, and answers a value to go on
// with: the default, or one that starts no second complaint.

import { parseDuration } from '../../vocabulary/duration.ts'
import { type Fields, type Source, scalarOf, shown, type Value } from './source.ts'

interface Reading {
  readonly source: Source
  readonly fields: Fields
}

/** A required value; reports its absence at `owner`. */
export function required({ source, fields }: Reading, name: string, owner: Value): Value | undefined {
  const value = fields.get(name)
  if (value === undefined) source.report('value-missing', owner, `"${name}" is missing`)
  return value
}

/** A share written with its sign. `steps`: steps of 0.1 %, 0 to 100 % (dials); otherwise over 0 and under 50 % (limits). */
export function percent({ source, fields }: Reading, name: string, fallback: number, kind: 'dial' | 'limit'): number {
  const value = fields.get(name)
  if (value === undefined) return fallback
  const scalar = scalarOf(value)
  const allowed = kind === 'dial' ? '0% to 100% in steps of 0.1%' : 'over 0% and under 50%, e.g. 1%'
  const [, digits, sign] = /^(-?\d+(?:\.\d+)?)\s*(%?)$/.exec(String(scalar ?? '').trim()) ?? []
  if (digits === undefined) {
    source.report('wrong-value', value, `is ${shown(value)}, not a share; allowed: ${allowed}`)
    return fallback
  }
  if (sign === '') {
    source.report(
      'percent-sign-missing',
      value,
      `is ${shown(value)} without a sign; write ${digits}%, or what you mean`,
    )
    return fallback
  }
  const number = Number(digits)
  const inRange = kind === 'dial' ? number >= 0 && number <= 100 : number > 0 && number < 50
  if (!inRange) {
    source.report('out-of-range', value, `is ${digits}%; allowed: ${allowed}`)
    return fallback
  }
  if (kind === 'dial' && Math.abs(number * 10 - Math.round(number * 10)) > 1e-9) {
    source.report('percent-step', value, `is ${digits}%, which is too fine; the steps are 0.1%`)
    return fallback
  }
  // by its decimal digits: 0.7 / 100 is not the number nearest to 0.007
  return Number(`${digits}e-2`)
}

/** Milliseconds. */
export function duration({ source, fields }: Reading, name: string, fallback: number): number {
  const value = fields.get(name)
  if (value === undefined) return fallback
  const scalar = scalarOf(value)
  if (typeof scalar === 'string' && /^\d+(\.\d+)?(ms|s|m|h|d)$/.test(scalar)) return parseDuration(scalar, value.path)
  source.report(
    'wrong-value',
    value,
    `is ${shown(value)}, not a duration; write a number with ms, s, m, h or d, e.g. 24h`,
  )
  return fallback
}

export function choice<T extends string>(
  { source, fields }: Reading,
  name: string,
  { allowed, fallback }: { readonly allowed: readonly T[]; readonly fallback: T },
): T {
  const value = fields.get(name)
  if (value === undefined) return fallback
  const scalar = scalarOf(value)
  const found = allowed.find((each) => each === scalar)
  if (found === undefined) source.report('wrong-value', value, `is ${shown(value)}; allowed: ${allowed.join(', ')}`)
  return found ?? fallback
}

/** A number within bounds: of another type it is a wrong value, outside it is out of range. */
export function number(
  { source, fields }: Reading,
  name: string,
  o: { readonly fallback: number; readonly within: (n: number) => boolean; readonly allowed: string },
): number {
  const value = fields.get(name)
  if (value === undefined) return o.fallback
  const scalar = scalarOf(value)
  if (typeof scalar !== 'number' || !Number.isFinite(scalar)) {
    source.report('wrong-value', value, `is ${shown(value)}, not a number; allowed: ${o.allowed}`)
    return o.fallback
  }
  if (o.within(scalar)) return scalar
  source.report('out-of-range', value, `is ${scalar}; allowed: ${o.allowed}`)
  return o.fallback
}

/** A text of this form; undefined after a report. */
export function text(source: Source, value: Value | undefined, form: RegExp, allowed: string): string | undefined {
  if (value === undefined) return undefined
  const scalar = scalarOf(value)
  if (typeof scalar === 'string' && form.test(scalar)) return scalar
  source.report('wrong-value', value, `is ${shown(value)}; allowed: ${allowed}`)
  return undefined
}
