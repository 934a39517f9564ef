// Draws plots as SVG by Apache ECharts, on the server: no script is needed to look at them.
//
// The library is loaded when the first page is made; whoever only imports this project never loads it. Colours are the
// page's variables, so that one drawing serves light, dark and print. What ECharts adds for its own scripts is taken out
// again: inline styles (the page's policy allows none), classes and metadata.

import type { CustomSeriesOption, LineSeriesOption } from 'echarts/charts'
import type { GridComponentOption, MarkLineComponentOption } from 'echarts/components'
import type { ComposeOption } from 'echarts/core'
import { compactCount, formatMs, formatShare } from '../format.ts'
import { escapeHtml, Markup } from './markup.ts'
import { type Band, type Line, type Mark, type Panel, type Plot, quantilePosition, type Unit } from './plot.ts'

type Option = ComposeOption<CustomSeriesOption | LineSeriesOption | GridComponentOption | MarkLineComponentOption>

export interface Drawing {
  readonly svg: Markup
  /** Horizontal position of each `x` in the drawing, in its own units. */
  readonly positions: readonly number[]
}

export type Draw = (plot: Plot) => Drawing

/** What the page gives them on a wide screen, so that type has its size. */
const WIDTHS = { wide: 1000, half: 500 } as const
const LEFT = 64
const RIGHT = 18
const TITLE = 36
const FOOT = 30
const FONT = 12

export async function loadDraw(): Promise<Draw> {
  const [echarts, { LineChart, CustomChart }, { GridComponent, MarkLineComponent }, { SVGRenderer }] =
    await Promise.all([
      import('echarts/core'),
      import('echarts/charts'),
      import('echarts/components'),
      import('echarts/renderers'),
    ])
  echarts.use([LineChart, CustomChart, GridComponent, MarkLineComponent, SVGRenderer])
  return (plot) => {
    refuseLongText(plot)
    const width = WIDTHS[plot.width]
    const height = plot.panels.reduce((sum, panel) => sum + TITLE + panel.height, FOOT)
    const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width, height })
    try {
      chart.setOption(optionOf(plot))
      const svg = cleaned(chart.renderToSVGString({ useViewBox: true }), plot)
      const positions = plot.x.map(
        (x) => Math.round(chart.convertToPixel({ xAxisIndex: 0 }, placeOf(plot, x)) * 10) / 10,
      )
      return { svg, positions }
    } finally {
      chart.dispose()
    }
  }
}

/** Texts of plots are the project's own: a long one is somebody else's. */
function refuseLongText({ title, panels }: Plot): void {
  const texts = [title, ...panels.flatMap((panel) => [panel.title, ...panel.lines.map(({ name }) => name)])]
  if (texts.some((text) => text.length > 100)) throw new Error('a plot was given a text that is not of this project')
}

function placeOf({ axis }: Plot, x: number): number {
  return axis === 'quantile' ? quantilePosition(x) : x
}

function optionOf(plot: Plot): Option {
  let top = 0
  const grids = plot.panels.map((panel) => {
    const grid = { left: LEFT, right: RIGHT, top: top + TITLE, height: panel.height, containLabel: false }
    top += TITLE + panel.height
    return grid
  })
  const places = plot.x.map((x) => placeOf(plot, x))
  return {
    animation: false,
    backgroundColor: 'transparent',
    useUTC: true,
    textStyle: { color: 'var(--muted)', fontSize: FONT },
    grid: grids,
    xAxis: plot.panels.map((_, at) => xAxis(plot, at, places)),
    yAxis: plot.panels.map(yAxis),
    series: plot.panels.flatMap((panel, at) => [
      ...(panel.band === undefined ? [] : [bandSeries(panel.band, at, places)]),
      ...panel.lines.map((line) => lineSeries(line, at, places)),
      ...(panel.marks ?? []).map((mark) => markSeries(mark, at)),
    ]),
  }
}

const LINE_STYLE = { color: 'var(--line)', width: 1 } as const
const QUANTILES_SHOWN = [0, 0.5, 0.9, 0.99, 0.999]

function xAxis(plot: Plot, at: number, places: readonly number[]): object {
  const last = at === plot.panels.length - 1
  const common = {
    gridIndex: at,
    silent: true,
    min: places[0],
    max: places.at(-1),
    axisLine: { show: true, onZero: false, lineStyle: LINE_STYLE },
    axisTick: { show: last, lineStyle: LINE_STYLE },
    splitLine: { show: false },
  }
  const label = { show: last, color: 'var(--muted)', fontSize: FONT, hideOverlap: true }
  if (plot.axis === 'time') {
    return { ...common, type: 'time', splitNumber: 6, axisLabel: { ...label, formatter: TIME_LABELS } }
  }
  const shown = QUANTILES_SHOWN.filter((q) => quantilePosition(q) <= (places.at(-1) ?? 0)).map(quantilePosition)
  return {
    ...common,
    type: 'value',
    splitLine: { show: true, lineStyle: LINE_STYLE },
    axisTick: { ...common.axisTick, customValues: shown },
    axisLabel: { ...label, customValues: shown, formatter: quantileLabel },
  }
}

/** ECharts' own templates, without the bold type that it gives to years and days. */
const TIME_LABELS = {
  year: '{yyyy}',
  month: '{MMM}',
  day: '{d} {MMM}',
  hour: '{HH}:{mm}',
  minute: '{HH}:{mm}',
  second: '{HH}:{mm}:{ss}',
  none: '{HH}:{mm}:{ss}',
}

function quantileLabel(place: number): string {
  const q = 1 - 10 ** -place
  return q < 0.001 ? 'fastest' : `p${Number((q * 100).toFixed(1))}`
}

function yAxis(panel: Panel, at: number): object {
  const { title, unit, scale = 'linear', height, atLeast, most } = panel
  return {
    gridIndex: at,
    silent: true,
    type: scale === 'log' ? 'log' : 'value',
    name: title,
    nameLocation: 'end',
    nameGap: 12,
    nameTextStyle: { align: 'left', padding: [0, 0, 0, -LEFT + 2], color: 'var(--ink)', fontSize: FONT },
    splitNumber: Math.max(2, Math.round(height / 45)),
    minInterval: unit === 'count' ? 1 : undefined,
    ...(scale === 'log' || unit === 'ratio' ? {} : { min: 0 }),
    // what is compared with 1 is shown beside it
    ...(unit === 'ratio'
      ? { min: (seen: Extent) => ratioAxis(seen).min, max: (seen: Extent) => ratioAxis(seen).max }
      : {}),
    ...(atLeast === undefined ? {} : { max: ({ max }: Extent) => Math.max(atLeast, max) }),
    ...(most === undefined ? {} : { max: most }),
    axisLine: { show: false },
    axisTick: { show: false },
    axisLabel: {
      color: 'var(--muted)',
      fontSize: FONT,
      formatter: (value: number) => formatUnit(value, unit),
      hideOverlap: true,
    },
    splitLine: { show: true, lineStyle: LINE_STYLE },
  }
}

interface Extent {
  readonly min: number
  readonly max: number
}
/** An axis from below to above all of them and 1, at places that are easily read. */
function ratioAxis({ min, max }: Extent): Extent {
  const [low, high] = [Math.min(1, min), Math.max(1, max)]
  const step = high - low > 0.5 ? 0.5 : 0.1
  const places = (ratio: number): number => Number((ratio * step).toFixed(1))
  return { min: places(Math.floor(low / step + 1e-9)), max: places(Math.ceil(high / step - 1e-9)) }
}

/** A value in the words of its axis; the table beside the plot uses the same. */
export function formatUnit(value: number | null, unit: Unit): string {
  if (value === null) return '–'
  switch (unit) {
    case 'count':
      return compactCount(value)
    case 'rate':
      return `${compactCount(value)}/s`
    case 'share':
      return formatShare(value)
    case 'ms':
      return formatMs(value)
    case 'ratio':
      return `× ${Number(value.toFixed(2))}`
    case 'evidence':
      return String(Number(value.toFixed(2)))
  }
}

function pointsOf(values: readonly (number | null)[], places: readonly number[]): [number, number | null][] {
  return places.map((place, at) => [place, values[at] ?? null])
}

function lineSeries(
  { ink, as = 'solid', step, area, values, drawn = values }: Line,
  at: number,
  places: readonly number[],
): LineSeriesOption {
  const alone = values.filter((value) => value !== null).length === 1
  return {
    ...base(at),
    type: 'line',
    showSymbol: alone,
    symbol: 'circle',
    symbolSize: 5,
    connectNulls: false,
    itemStyle: { color: `var(--${ink})` },
    lineStyle: {
      color: `var(--${ink})`,
      width: 1.75,
      type: as === 'dashed' ? [5, 4] : 'solid',
    },
    ...(step === true ? { step: 'end' as const } : {}),
    ...(area === true ? { areaStyle: { color: `var(--${ink}-soft)`, opacity: 1 } } : {}),
    data: pointsOf(drawn, places),
  }
}

function base(at: number): { silent: true; xAxisIndex: number; yAxisIndex: number } {
  return { silent: true, xAxisIndex: at, yAxisIndex: at }
}

/** The area between two lines, as one polygon for each stretch without a gap. */
function bandSeries({ ink, lower, upper }: Band, at: number, places: readonly number[]): CustomSeriesOption {
  const known = places.flatMap((place, index) => {
    const [low, high] = [lower[index] ?? null, upper[index] ?? null]
    return low === null || high === null ? [] : [{ place, low, high }]
  })
  return {
    ...base(at),
    type: 'custom',
    clip: true,
    // both ends are in the data, so that the axis makes room for them
    encode: { x: 0, y: [1, 2] },
    data: known.map(({ place, low, high }) => [place, low, high]),
    renderItem: (params, api) => {
      if (params.dataIndex !== 0) return null
      const over = known.map(({ place, high }) => api.coord([place, high]))
      const under = known.map(({ place, low }) => api.coord([place, low])).reverse()
      return {
        type: 'polygon',
        silent: true,
        shape: { points: [...over, ...under] },
        style: { fill: `var(--${ink}-soft)` },
      }
    },
  }
}

function markSeries({ ink, at: value }: Mark, at: number): LineSeriesOption {
  return {
    ...base(at),
    type: 'line',
    data: [],
    markLine: {
      silent: true,
      symbol: 'none',
      label: { show: false },
      lineStyle: { color: `var(--${ink})`, width: 1.25, type: [2, 3] },
      data: [{ yAxis: value }],
    },
  }
}

/** The drawing by itself: no inline style, no class, no metadata, ids that are the plot's own. */
function cleaned(svg: string, { id, title }: Plot): Markup {
  const plain = svg
    .replace(/<style[\s\S]*?<\/style>/g, '')
    .replace(/ (?:class|ecmeta_\w+|pointer-events|xmlns|xmlns:xlink|version|baseProfile|stroke-linejoin)="[^"]*"/g, '')
    .replace(/<rect [^>]*fill="none"[^>]*><\/rect>\n?/, '')
    .replace(/ style="([^"]*)"/g, (_, style: string) => attributesOf(style))
    .replace(/\bzr\d+-/g, `${id}-`)
    .replace(/\n+/g, '\n')
  const head = /^<svg width="(\d+)" height="(\d+)"/
  if (!head.test(plain)) throw new Error('the charting library draws in a form that is not known')
  return new Markup(plain.replace(head, `<svg role="img" aria-label="${escapeHtml(title)}" width="$1" height="$2"`))
}

/** `font-size:12px;…` → ` font-size="12"`: the page's own font is used. */
function attributesOf(style: string): string {
  const bold = /font-weight:\s*bold/.test(style)
  const size = /(\d+)px/.exec(style)?.[1]
  return `${size === undefined ? '' : ` font-size="${size}"`}${bold ? ' font-weight="bold"' : ''}`
}
