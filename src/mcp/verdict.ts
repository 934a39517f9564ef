// What do the probes of one server say about moving to target? Pure.

import { PROBE_PLACES, type ProbePlace, type ProbeRecord, type ToolStamp } from '../vocabulary/probe.ts'
import { compareTools, sameTools, type ToolDifference } from './tools.ts'

/** `inconclusive`: a side was not probed, or neither can use the server. */
export type ProbeVerdict = 'same' | 'better' | 'worse' | 'inconclusive'

/** `up`: every probe was good. `flaky`: some were. */
export type PlaceState = 'up' | 'flaky' | 'down' | 'not-probed'

export interface ServerVerdict {
  readonly server: string
  readonly verdict: ProbeVerdict
  /** In plain words, why. */
  readonly text: string
  readonly places: Readonly<Record<ProbePlace, PlaceState>>
  /** From legacy to target; null where one of them has no list. */
  readonly tools: ToolDifference | null
}

/** One verdict a server, in the order of its first record. Records that have not ended are left out. */
export function probeVerdicts(records: readonly ProbeRecord[]): readonly ServerVerdict[] {
  const ended = records.filter(({ class: found }) => found !== 'running')
  const names = [...new Set(ended.map(({ server }) => server))]
  return names.map((server) =>
    verdictOf(
      server,
      ended.filter((each) => each.server === server),
    ),
  )
}

function verdictOf(server: string, records: readonly ProbeRecord[]): ServerVerdict {
  const of = (place: ProbePlace): readonly ProbeRecord[] => records.filter((each) => each.place === place)
  const places = Object.fromEntries(PROBE_PLACES.map((place) => [place, stateOf(of(place))]))
  const [legacy, target] = [lastTools(of('legacy')), lastTools(of('target'))]
  const tools = legacy === undefined || target === undefined ? null : compareTools(legacy, target)
  const facts = { places: places as ServerVerdict['places'], tools }
  return { server, ...judge(facts), ...facts }
}

function stateOf(records: readonly ProbeRecord[]): PlaceState {
  if (records.length === 0) return 'not-probed'
  const good = records.filter(({ class: found }) => found === 'ok').length
  return good === records.length ? 'up' : good === 0 ? 'down' : 'flaky'
}

function lastTools(records: readonly ProbeRecord[]): readonly ToolStamp[] | undefined {
  return records.findLast(({ tools }) => tools !== undefined)?.tools
}

const RANK = { up: 2, flaky: 1, down: 0 } as const

function judge({ places, tools }: Pick<ServerVerdict, 'places' | 'tools'>): Pick<ServerVerdict, 'verdict' | 'text'> {
  const { legacy, target, baseline } = places
  if (legacy === 'not-probed' || target === 'not-probed') {
    const which = legacy === 'not-probed' ? 'legacy' : 'target'
    return { verdict: 'inconclusive', text: `no worker of ${which} has tried it` }
  }
  if (legacy === 'down' && target === 'down') return { verdict: 'inconclusive', text: bothDown(baseline) }
  const difference = RANK[target] - RANK[legacy]
  if (difference > 0)
    return { verdict: 'better', text: `target reaches it, legacy ${howFar(legacy)}${whose(baseline)}` }
  if (difference < 0) return { verdict: 'worse', text: `legacy reaches it, target ${howFar(target)}${whose(baseline)}` }
  if (legacy === 'flaky') return { verdict: 'inconclusive', text: 'it fails now and then on both sides: repeat' }
  return judgeTools(tools)
}

function howFar(state: PlaceState): string {
  return state === 'flaky' ? 'only now and then' : 'does not'
}

/** Server broken, or does the worker break it? */
function whose(baseline: PlaceState): string {
  if (baseline === 'up') return ': the worker breaks it, in a plain process it works'
  if (baseline === 'down') return ', nor does a plain process'
  return ''
}

function bothDown(baseline: PlaceState): string {
  if (baseline === 'up') return 'neither side reaches it, a plain process does: both workers break it'
  if (baseline === 'down') return 'nobody reaches it: the server is broken'
  return 'neither side reaches it'
}

function judgeTools(tools: ToolDifference | null): Pick<ServerVerdict, 'verdict' | 'text'> {
  if (tools === null) return { verdict: 'inconclusive', text: 'a side has no list of tools' }
  if (sameTools(tools)) return { verdict: 'same', text: 'both sides reach it and have the same tools' }
  const { missing, changed, extra } = tools
  const counts = [
    [missing.length, 'missing'],
    [changed.length, 'changed'],
    [extra.length, 'more'],
  ].flatMap(([n, what]) => (n === 0 ? [] : [`${n} ${what}`]))
  const worse = missing.length + changed.length > 0
  return { verdict: worse ? 'worse' : 'better', text: `of legacy's tools on target: ${counts.join(', ')}` }
}
