// With which settings was this made? A migration's configuration as plain values: no function, no secret, nothing open.

import type { MigrationSettings } from '../config/resolve.ts'
import type { ConfigurationReport } from './model.ts'

/** In the order in which it is printed. What the configuration gives as a function is told as being there. */
export function configurationReport(settings: MigrationSettings): ConfigurationReport {
  const { legacy, target, ledger, compare, backoff } = settings
  return {
    legacy: legacy.kind,
    target: target.kind,
    flag: settings.flag,
    flagKind: settings.flagKind,
    key: settings.key !== undefined,
    // what the flag sees of a key is another text
    hashKey: settings.flagKey(PROBE_KEY) !== PROBE_KEY,
    timeoutMs: settings.timeoutMs,
    attempts: settings.attempts,
    backoffMs: backoff?.delayMs ?? null,
    deadlineMs: ledger.deadlineMs,
    retainMs: ledger.retainMs,
    leaseMs: settings.leaseMs,
    bucketMs: ledger.bucketMs,
    slackMs: ledger.slackMs,
    shadow: settings.shadowable ? 'effects-declared' : 'off',
    shadowBacklog: settings.shadowBacklog,
    maxStarts: settings.maxStarts,
    whenLedgerIsGone: settings.whenLedgerIsGone,
    plan: settings.plan ?? null,
    mcpServers: settings.mcp?.servers.map(({ name }) => name) ?? [],
    compare: {
      ignore: [...(compare.ignore ?? [])],
      tolerance: Object.entries(compare.tolerance ?? {}).map(([path, allowed]) => ({
        path,
        ...(typeof allowed === 'number' ? { by: allowed, relative: false } : { by: allowed.relative, relative: true }),
      })),
      unordered: [...(compare.unordered ?? [])],
      redact: [...(compare.redact ?? [])],
      own: OWN_RULES.filter((name) => compare[name] !== undefined),
    },
  }
}

/** Any text that a hash changes. */
const PROBE_KEY = 'key'

/** Rules that are code of the configuration, or rules within effects. */
const OWN_RULES = ['equal', 'effects', 'normalise', 'ignoreWhen', 'compare'] as const
