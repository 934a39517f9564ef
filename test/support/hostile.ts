// A report in which every text tries something, whoever should have written it.

import type { ReportModel } from '../../src/report/model.ts'

/** Runs would show in `globalThis.ran`. */
export const ATTACKS: readonly string[] = [
  '<script>globalThis.ran = 1</script>',
  '"><img src=x onerror="globalThis.ran = 1">',
  "' autofocus onfocus='globalThis.ran = 1",
  '</style></script><script>globalThis.ran = 1</script>',
  ']]><svg onload="globalThis.ran = 1"><style>*{display:none}</style>',
  '<!-- --!> <iframe srcdoc="<script>parent.ran = 1</script>">',
  'javascript:globalThis.ran=1',
  '<a href="javascript:globalThis.ran=1">x</a><base href="//evil.test/"><form action="//evil.test"><button>',
  '<meta http-equiv="refresh" content="0;url=https://evil.test/">&lt;b&gt;&#60;b&#62;&NewLine;',
  '\u0000\u001b[2J\u202e\u2066\u200b\u00ad\ufeff\ud800 \u2028\u2029 \u0085',
  '\u05d0\u05d1\u05d2 \u0627\u0644\u0639\u0631\u0628\u064a\u0629 (\u202edesrever\u202c)',
  `Z${'\u0301'.repeat(2000)}`,
  '__proto__',
  'constructor',
  '$'.concat('{globalThis.ran = 1}{{constructor.constructor("globalThis.ran=1")()}}'),
  `${'<b>'.repeat(350_000)}`,
]

const TIME = /^\d{4}-\d\d-\d\dT/

/** Every text replaced by an attack, in turn, those of closed sets too; examples hold the attacks as keys as well. */
export function attacked(model: ReportModel): ReportModel {
  let turn = 0
  const next = (): string => ATTACKS[turn++ % ATTACKS.length] ?? ''
  const visit = (value: unknown, name: string): unknown => {
    if (typeof value === 'string') return TIME.test(value) ? value : next()
    if (Array.isArray(value)) return value.map((item) => visit(item, name))
    if (typeof value !== 'object' || value === null) return value
    if (name === 'example') return { id: next(), legacy: withKey(next()), target: [next(), withKey('__proto__')] }
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, visit(item, key)]))
  }
  return visit(model, '') as ReportModel
}

/** `__proto__` as a field of its own, as JSON gives it. */
function withKey(key: string): unknown {
  return JSON.parse(`{${JSON.stringify(key)}: {"polluted": "<script>globalThis.ran = 1</script>"}}`)
}
