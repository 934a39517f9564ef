// What running processes doubt, from their heartbeats. A process that looks from outside sees the flag and the server as
// they are now; it cannot see how old another's values are, nor what its jobs' keys were.

import type { MigrationSettings } from '../config/resolve.ts'
import { EMPTY_KEY, type FlagFinding } from '../ports/flags.ts'
import type { PresenceRecord } from '../ports/ledger.ts'
import { formatTime, plural } from '../report/format.ts'
import type { Findings } from './findings.ts'
import { dutiesOf, isLive, iso } from './processes.ts'

/** So long ago an empty key is still worth a word: a process that was restarted, or short-lived, may be mended. */
const EMPTY_KEY_NAMED_MS = 3_600_000
/** More processes than these are only counted. */
const SHOWN = 5

interface Seen {
  readonly settings: Pick<MigrationSettings, 'name' | 'flag'>
  readonly presence: readonly PresenceRecord[]
  /** Ledger clock. */
  readonly now: number
}

/** `explain`: what a doubt's id means, with its fix; undefined for one that this configuration's source does not have. */
export function inspectSeenDoubts(
  { settings, presence, now }: Seen,
  explain: (id: string) => FlagFinding | undefined,
  findings: Findings,
): void {
  const { name, flag } = settings
  const live = presence.filter(isLive)
  const add = ({ id, status, text, advice }: FlagFinding, processes: readonly string[]): void => {
    const more = processes.length > SHOWN ? [`and ${processes.length - SHOWN} more`] : []
    const lines = [`"${flag}": ${text} (${id})`, ...processes.slice(0, SHOWN), ...more]
    findings.add(name, 'flag in processes', status, lines.join('\n'), advice.replaceAll('NAME', name))
  }
  const ids = new Set(live.flatMap(({ flagDoubts = [] }) => flagDoubts.map(({ id }) => id)))
  for (const id of ids) {
    const who = live.flatMap((record) =>
      (record.flagDoubts ?? [])
        .filter((doubt) => doubt.id === id)
        .map(({ since }) => `${processText(record)} since ${formatTime(iso(since))}`),
    )
    add(explain(id) ?? unknown(id), who)
  }
  const careless = presence.flatMap((record) => {
    const { emptyKeys } = record
    if (emptyKeys === undefined || emptyKeys.last < now - EMPTY_KEY_NAMED_MS) return []
    const { times, last } = emptyKeys
    const told = `sent to legacy ${plural(times, 'time')} since it started, last at ${formatTime(iso(last))}`
    return [`${processText(record)}: ${told}`]
  })
  if (careless.length > 0) add(EMPTY_KEY, careless)
  inspectSilent(name, live, findings)
}

/** Those that say that they are not well, and not why: of an older version, or with a source that has no names for it. */
function inspectSilent(name: string, live: readonly PresenceRecord[], findings: Findings): void {
  const ill = live.filter(({ flagHealth, flagDoubts = [] }) => flagHealth !== 'ok' && flagDoubts.length === 0)
  if (ill.length === 0) return
  const states = [...new Set(ill.map(({ flagHealth }) => flagHealth))].join(', ')
  const text = `not well in ${plural(ill.length, 'live process', 'live processes')}: ${states}`
  findings.add(name, 'flag channel', 'warn', [text, ...ill.slice(0, SHOWN).map(processText)].join('\n'))
}

function unknown(id: string): FlagFinding {
  return {
    ...({ id, status: 'warn', text: 'a doubt that cannot be told from here' } as const),
    advice: 'look into its log; do all run with the same flags and the same version of cutover?',
  }
}

/** `host/4711 (produces)`. */
function processText(record: PresenceRecord): string {
  const { host, pid, drives } = record
  const duties = drives === true ? 'drives the plan' : dutiesOf(record)
  return `${host}/${pid} (${duties}${isLive(record) ? '' : ', gone'})`
}
