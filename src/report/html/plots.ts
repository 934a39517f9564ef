// Which plots does a migration's report have? From the model to lines, with nothing computed that the model does not say.

import type { Side } from '../../vocabulary/job.ts'
import type { MigrationReport, TimelinePoint } from '../model.ts'
import type { Ink, Line, Panel, Plot } from './plot.ts'

/** A line needs two points to be one. */
const FEWEST = 2

/** Dials, traffic, differences and backlog under each other, over the time at which jobs were due. */
export function timePlot(migration: MigrationReport, id: string): Plot | undefined {
  const { timeline } = migration
  const x = timesOf(migration)
  if (timeline.length === 0 || x.length < FEWEST) return undefined
  const at = x.map((time) => timeline.findLast((point) => Date.parse(point.at) <= time && time < endOf(point)))
  const values = (of: (point: TimelinePoint) => number | null): (number | null)[] =>
    at.map((point) => (point === undefined ? null : of(point)))
  const perSide = (of: (side: TimelinePoint['sides'][Side], point: TimelinePoint) => number | null): Line[] =>
    (['legacy', 'target'] as const).map((side) => ({
      name: side,
      ink: side,
      step: true,
      values: values((point) => of(point.sides[side], point)),
    }))
  const panels: Panel[] = [
    { title: 'Dials: share of keys', unit: 'share', height: 70, atLeast: 1, lines: dialLines(migration, x) },
    {
      title: 'Jobs a second, by the side they were sent to',
      unit: 'rate',
      height: 90,
      lines: perSide((side, { widthMs }) => (side.enqueued / widthMs) * 1000),
    },
  ]
  if (timeline.some(({ sides }) => sides.legacy.failed + sides.target.failed > 0)) {
    panels.push({ title: 'Failed jobs', unit: 'count', height: 60, lines: perSide(({ failed }) => failed) })
  }
  if (timeline.some(({ compared }) => compared > 0)) {
    const share = values(({ compared, mismatched }) => (compared === 0 ? null : mismatched / compared))
    const lines: Line[] = [{ name: 'differ', ink: 'bad', step: true, values: share }]
    panels.push({ title: 'Compared pairs that differ', unit: 'share', height: 70, lines })
  }
  if (timeline.some(({ sides }) => sides.legacy.backlog !== null || sides.target.backlog !== null)) {
    panels.push({ title: 'Jobs not finished', unit: 'count', height: 70, lines: perSide(({ backlog }) => backlog) })
    const oldest = perSide(({ oldestMs }) => oldestMs)
    panels.push({ title: 'Wait of the oldest job that was not started', unit: 'ms', height: 70, lines: oldest })
  }
  return {
    id,
    title: 'What was set, and what happened',
    caption: 'Counts stand at the time at which their jobs were due, in UTC.',
    axis: 'time',
    width: 'wide',
    x,
    panels,
  }
}

function endOf({ at, widthMs }: TimelinePoint): number {
  return Date.parse(at) + widthMs
}

/** Where any line may change: starts of points and of epochs, and the end. */
function timesOf({ timeline, epochs }: MigrationReport): number[] {
  const [first, last] = [timeline[0], timeline.at(-1)]
  if (first === undefined || last === undefined) return []
  const [from, to] = [Date.parse(first.at), endOf(last)]
  const changes = epochs.flatMap(({ startedAt }) => (startedAt === null ? [] : [Date.parse(startedAt)]))
  const all = [
    ...timeline.map(({ at }) => Date.parse(at)),
    ...changes.filter((time) => time > from && time < to),
    to - 1,
  ]
  return [...new Set(all)].sort((a, b) => a - b)
}

function dialLines({ epochs }: MigrationReport, x: readonly number[]): Line[] {
  const at = x.map((time) => epochs.findLast(({ startedAt }) => startedAt === null || Date.parse(startedAt) <= time))
  const line = (name: 'target' | 'shadow' | 'control', ink: Ink): Line => ({
    name: `${name} dial`,
    ink,
    step: true,
    ...(name === 'target' ? { area: true } : { as: 'dashed' }),
    values: at.map((epoch) => (epoch === undefined || epoch.latched ? 0 : epoch.dials[name])),
  })
  const controlled = epochs.some(({ dials }) => dials.control > 0)
  return [line('target', 'target'), line('shadow', 'muted'), ...(controlled ? [line('control', 'noise')] : [])]
}

/** How the interval of the share of mismatches narrowed. */
export function evidencePlot({ evidence }: MigrationReport, id: string): Plot | undefined {
  if (evidence.length < FEWEST) return undefined
  const upper = evidence.map((point) => point.upper)
  // early on anything is possible: an axis up to 100 % would hide what became of it
  const enough = upper.slice(Math.floor(evidence.length / 4))
  const top = Math.min(1, 1.1 * Math.max(...enough))
  return {
    id,
    title: 'Share of pairs that differ, as evidence came in',
    caption:
      'The line is the share among all compared until then, the area its 95 % interval, right at every moment at once.',
    axis: 'time',
    width: 'wide',
    x: evidence.map(({ at }) => Date.parse(at)),
    panels: [
      {
        title: 'Differ',
        unit: 'share',
        height: 130,
        most: top,
        band: { name: '95 % interval', ink: 'bad', lower: evidence.map(({ lower }) => lower), upper },
        lines: [{ name: 'differ', ink: 'bad', values: evidence.map(({ units, mismatched }) => mismatched / units) }],
      },
    ],
  }
}

interface Curve {
  readonly name: string
  readonly ink: Ink
  readonly as: 'solid' | 'dashed'
  readonly values: readonly (number | null)[]
}

export function runPlot({ latency: { curves } }: MigrationReport, id: string): Plot | undefined {
  const { legacy, target } = curves
  return quantilePlot(curves.at, {
    id,
    title: 'Run time',
    caption:
      'At pN stands the time that N % of the runs did not exceed, without the time in effects. A ratio below 1: target is faster.',
    of: [
      { name: 'legacy', ink: 'legacy', as: 'solid', values: legacy.run },
      { name: 'target', ink: 'target', as: 'solid', values: target.run },
      { name: 'shadow on legacy', ink: 'legacy', as: 'dashed', values: legacy.shadowRun },
      { name: 'shadow on target', ink: 'target', as: 'dashed', values: target.shadowRun },
    ],
    ratios: [
      { name: 'target', ink: 'target', as: 'solid', values: ratio(target.run, legacy.run) },
      { name: 'shadow on target', ink: 'target', as: 'dashed', values: ratio(target.shadowRun, legacy.run) },
    ],
  })
}

export function waitPlot({ latency: { curves } }: MigrationReport, id: string): Plot | undefined {
  const { legacy, target } = curves
  return quantilePlot(curves.at, {
    id,
    title: 'Wait',
    caption: 'From due to start, of the runs that count.',
    of: [
      { name: 'legacy', ink: 'legacy', as: 'solid', values: legacy.wait },
      { name: 'target', ink: 'target', as: 'solid', values: target.wait },
    ],
    ratios: [{ name: 'target', ink: 'target', as: 'solid', values: ratio(target.wait, legacy.wait) }],
  })
}

function quantilePlot(
  at: readonly number[],
  { of, ratios, ...texts }: { id: string; title: string; caption: string; of: Curve[]; ratios: Curve[] },
): Plot | undefined {
  const told = (curve: Curve): boolean => curve.values.some((value) => value !== null)
  const lines = of.filter(told)
  if (lines.length === 0) return undefined
  const compared = ratios.filter(told)
  // beyond the last quantile that any line tells there is nothing to see
  const end = at.findLastIndex((_, index) => lines.some(({ values }) => values[index] !== null)) + 1
  if (end < FEWEST) return undefined
  const cut = (curve: Curve): Line => ({ ...curve, values: curve.values.slice(0, end) })
  return {
    ...texts,
    axis: 'quantile',
    width: 'half',
    x: at.slice(0, end),
    panels: [
      { title: texts.title, unit: 'ms', scale: 'log', height: 150, lines: lines.map(cut) },
      ...(compared.length === 0
        ? []
        : [
            {
              title: 'Ratio to legacy',
              unit: 'ratio' as const,
              height: 70,
              marks: [{ name: 'alike', ink: 'ink' as const, at: 1 }],
              lines: compared.map(cut),
            },
          ]),
    ],
  }
}

function ratio(over: readonly (number | null)[], under: readonly (number | null)[]): (number | null)[] {
  return over.map((value, at) => {
    const divisor = under[at] ?? null
    return value === null || divisor === null || divisor === 0 ? null : value / divisor
  })
}
