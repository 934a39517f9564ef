// The plan that `init` writes: stages from the first shadows to everything on target, with the gates between them.

import type { Names } from './names.ts'

export function planTemplate({ name, legacy, target }: Names): string {
  return `# ${name}: ${legacy} → ${target}

Owner: (who). Roll back: \`cutover rollback ${name}\` (works without the flag server). Ask (where) before \`full\`.

\`\`\`yaml cutover
version: 1
migration: ${name}
legacy: ${legacy}
target: ${target}
alpha: 0.05
unit: key
deadline: 10m     # wait 5m + 3 attempts × 60s + backoff 30s = 8m30s
stages:
  - {name: shadow-first, target: 0%, shadow: 10%, control: 10%, min-soak: 1h, max-stay: 7d, on-fail: hold,
     gates: {mismatch: {limit: 1%, rule: watch}, errors: {limit: 1%, rule: watch}, lost: {limit: 0.2%, rule: watch, unit: job}, p50: {ratio: 1.10, rule: watch}, p95: {ratio: 1.15, rule: watch}}}
  - {name: shadow-all, target: 0%, shadow: 100%, control: 10%, min-soak: 24h, on-fail: hold,
     gates: {mismatch: {limit: 1%, rule: prove}, errors: {limit: 1%, rule: prove}, lost: {limit: 0.2%, rule: prove, unit: job}, p50: {ratio: 1.10, rule: prove}, p95: {ratio: 1.15, rule: prove}}}
  - {name: canary-1, target: 1%, shadow: 10%, min-soak: 4h, approval: manual,
     gates: {mismatch: {limit: 1%, rule: watch}, errors: {limit: 2%, rule: watch, min-units: 10}, lost: {limit: 0.2%, rule: watch, unit: job, min-units: 10}, p50: {ratio: 1.10, rule: watch, min-units: 10}, p95: {ratio: 1.15, rule: watch, min-units: 10}}}
  - {name: canary-10, target: 10%, shadow: 10%,
     gates: {mismatch: {limit: 1%, rule: watch}, errors: {limit: 2%, rule: prove}, lost: {limit: 0.2%, rule: watch, unit: job}, p50: {ratio: 1.10, rule: watch}, p95: {ratio: 1.15, rule: watch}}}
  - {name: canary-50, target: 50%, shadow: 10%,
     gates: {mismatch: {limit: 1%, rule: watch}, errors: {limit: 1%, rule: prove}, lost: {limit: 0.2%, rule: watch, unit: job}, p50: {ratio: 1.10, rule: watch}, p95: {ratio: 1.15, rule: watch}, backlog: {limit: 2m}}}
  - {name: full, target: 100%, shadow: 10%, min-soak: 72h, approval: manual,
     gates: {mismatch: {limit: 1%, rule: watch}, errors: {limit: 1%, rule: prove}, lost: {limit: 0.1%, rule: prove, unit: job}, p50: {ratio: 1.10, rule: watch}, p95: {ratio: 1.15, rule: watch}}}
\`\`\`
`
}
