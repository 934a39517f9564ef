// A plot on the page: what it shows, its lines by name, the drawing, and the same numbers as a table.

import { formatTime } from '../format.ts'
import { type Draw, formatUnit } from './draw.ts'
import { html, type Markup } from './markup.ts'
import type { Line, Panel, Plot } from './plot.ts'

export function figure(plot: Plot, draw: Draw): Markup {
  const { svg, positions } = draw(plot)
  const { id, title, caption, panels, width } = plot
  return html`<figure class="plot ${width}" id="${id}">
<figcaption><h3>${title}</h3><p class="quiet small">${caption}</p>${legend(panels)}</figcaption>
<div class="scroll" tabindex="0" role="group" aria-label="${title}, drawing">${svg}</div>
<details><summary>The numbers of this plot</summary>
<div class="scroll" tabindex="0" role="group" aria-label="${title}, numbers">${numbers(plot, positions)}</div></details>
</figure>
`
}

/** Each name once, though it may stand in several panels. */
function legend(panels: readonly Panel[]): Markup {
  const items = new Map<string, string>()
  for (const { lines, band, marks = [] } of panels) {
    for (const { name, ink, as = 'solid' } of lines) items.set(name, `${ink} ${as}`)
    for (const { name, ink } of marks) items.set(name, `${ink} dotted`)
    if (band !== undefined) items.set(band.name, 'band')
  }
  return html`<ul class="legend">${[...items].map(([name, as]) => html`<li class="${as}">${name}</li>`)}</ul>`
}

interface Column {
  readonly head: string
  readonly cell: (at: number) => string
}

function columnsOf({ title, unit, lines, band }: Panel, many: boolean): Column[] {
  const head = (name: string): string => (many ? `${title}: ${name}` : name)
  const ofLine = ({ name, values }: Line): Column => ({
    head: head(name),
    cell: (at) => formatUnit(values[at] ?? null, unit),
  })
  const ofBand =
    band === undefined
      ? []
      : [
          { head: `${band.name}, from`, cell: (at: number) => formatUnit(band.lower[at] ?? null, unit) },
          { head: `${band.name}, to`, cell: (at: number) => formatUnit(band.upper[at] ?? null, unit) },
        ]
  return [...lines.map(ofLine), ...ofBand]
}

function numbers({ axis, x, panels }: Plot, positions: readonly number[]): Markup {
  const columns = panels.flatMap((panel) => columnsOf(panel, panels.length > 1))
  const label = (value: number): string =>
    axis === 'time' ? formatTime(new Date(value).toISOString()) : `p${Number((value * 100).toFixed(2))}`
  return html`<table><thead><tr><th class="t" scope="col">${axis === 'time' ? 'time' : 'quantile'}</th>${columns.map(
    ({ head }) => html`<th scope="col">${head}</th>`,
  )}</tr></thead>
<tbody>${x.map(
    (value, at) =>
      html`<tr data-x="${positions[at]}"><th class="t n" scope="row">${label(value)}</th>${columns.map(
        ({ cell }) => html`<td class="n">${cell(at)}</td>`,
      )}</tr>
`,
  )}</tbody></table>`
}
