// The page's script: tooltips, filters and sorting. Without it everything is there to be read.
//
// It only ever sets text (`textContent`), never HTML, and reads nothing but the page itself.

export const SCRIPT = `
'use strict'
for (const table of document.querySelectorAll('table.sortable')) {
  const body = table.tBodies[0]
  const heads = [...table.tHead.rows[0].cells]
  heads.forEach((head, column) => {
    const button = document.createElement('button')
    button.type = 'button'
    button.textContent = head.textContent
    head.replaceChildren(button)
    button.addEventListener('click', () => {
      const down = head.getAttribute('aria-sort') !== 'descending'
      for (const other of heads) other.removeAttribute('aria-sort')
      head.setAttribute('aria-sort', down ? 'descending' : 'ascending')
      const keyOf = (row) => {
        const cell = row.cells[column]
        const text = cell.textContent.trim()
        return { text, n: cell.dataset.n === undefined ? NaN : Number(cell.dataset.n) }
      }
      const rows = [...body.rows].map((row) => ({ row, key: keyOf(row) }))
      const order = (a, b) =>
        Number.isNaN(a.n) || Number.isNaN(b.n) ? (a.text < b.text ? -1 : a.text > b.text ? 1 : 0) : a.n - b.n
      rows.sort((a, b) => (down ? order(b.key, a.key) : order(a.key, b.key)))
      body.append(...rows.map(({ row }) => row))
    })
  })
}
for (const label of document.querySelectorAll('label.filter')) {
  const input = label.querySelector('input')
  const list = document.getElementById(label.dataset.for)
  const none = document.createElement('p')
  none.className = 'quiet'
  none.setAttribute('role', 'status')
  list.after(none)
  label.hidden = false
  input.addEventListener('input', () => {
    const wanted = input.value.trim().toLowerCase()
    let shown = 0
    for (const item of list.querySelectorAll('[data-item]')) {
      const hit = wanted === '' || item.textContent.toLowerCase().includes(wanted)
      item.hidden = !hit
      shown += hit ? 1 : 0
    }
    none.textContent = shown === 0 ? 'none of those shown has this text' : ''
  })
}
addEventListener('hashchange', () => {
  const part = document.getElementById(location.hash.slice(1))
  if (part !== null && part.tagName === 'DETAILS') part.open = true
})
for (const figure of document.querySelectorAll('figure.plot')) {
  const svg = figure.querySelector('svg')
  const rows = [...figure.querySelectorAll('tbody tr')]
  const names = [...figure.querySelectorAll('thead th')].map((head) => head.textContent)
  if (svg === null || rows.length === 0) continue
  const box = svg.viewBox.baseVal
  const at = rows.map((row) => Number(row.dataset.x))
  const tip = document.createElement('div')
  tip.className = 'tip'
  tip.hidden = true
  tip.setAttribute('aria-hidden', 'true')
  figure.append(tip)
  const cursor = document.createElementNS('http://www.w3.org/2000/svg', 'line')
  cursor.setAttribute('class', 'cursor')
  cursor.setAttribute('y1', '20')
  cursor.setAttribute('y2', String(box.height - 28))
  cursor.setAttribute('visibility', 'hidden')
  svg.append(cursor)
  const leave = () => {
    tip.hidden = true
    cursor.setAttribute('visibility', 'hidden')
  }
  svg.addEventListener('pointerleave', leave)
  svg.addEventListener('pointermove', (event) => {
    const area = svg.getBoundingClientRect()
    const x = ((event.clientX - area.left) / area.width) * box.width
    let nearest = 0
    for (let i = 1; i < at.length; i += 1) if (Math.abs(at[i] - x) < Math.abs(at[nearest] - x)) nearest = i
    const cells = [...rows[nearest].cells]
    tip.textContent = cells.map((cell, i) => (i === 0 ? cell.textContent : names[i] + '  ' + cell.textContent)).join('\\n')
    tip.hidden = false
    cursor.setAttribute('x1', String(at[nearest]))
    cursor.setAttribute('x2', String(at[nearest]))
    cursor.setAttribute('visibility', 'visible')
    const frame = figure.getBoundingClientRect()
    const left = event.clientX - frame.left + 14
    tip.style.left = Math.max(0, left + tip.offsetWidth > frame.width ? left - tip.offsetWidth - 28 : left) + 'px'
    tip.style.top = event.clientY - frame.top + 10 + 'px'
  })
}
`
