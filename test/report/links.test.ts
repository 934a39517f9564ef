// Links from the views into the docs: each leads to a heading that is there, all views lead to the same, and without docs
// none is made.

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { buildReport } from '../../src/report/build.ts'
import { DEFINITIONS, DOCS_PAGE } from '../../src/report/definitions.ts'
import { htmlPages, htmlReport } from '../../src/report/html.ts'
import { jsonReport } from '../../src/report/json.ts'
import { markdownReport } from '../../src/report/markdown.ts'
import type { ReportModel } from '../../src/report/model.ts'
import { textReport } from '../../src/report/text.ts'
import { ATTACKED, EMPTY } from '../support/report-cases.ts'
import { full } from '../support/report-full.ts'
import { START } from '../support/snapshots.ts'

const DOCS = join(import.meta.dirname, '../../docs')
const modelOf = (docs: string | null, ledgerSnapshots = [full(), EMPTY, ATTACKED]): ReportModel =>
  buildReport({ ledgerSnapshots, at: START, version: '1.2.3', docs })

/** What leaves the page. */
function hrefs(page: string): string[] {
  const all = [...page.matchAll(/<a [^>]*?href="([^"]*)"/g)].map(([, href = '']) => href)
  return all.filter((href) => !href.startsWith('#'))
}

/** In code, where all that is foreign stands, there are none. */
function markdownLinks(markdown: string): string[] {
  const prose = markdown.replace(/^```diff[\s\S]*?^```$/gm, '').replace(/(`+)[\s\S]*?\1/g, '')
  return [...prose.matchAll(/\]\(([^)]*)\)/g)].map(([, href = '']) => href)
}

function headingsOf(file: string): string[] {
  return [...readFileSync(file, 'utf8').matchAll(/^#+ (.+)$/gm)].map(([, text = '']) =>
    text
      .toLowerCase()
      .replace(/[^\p{L}\p{N} -]/gu, '')
      .replaceAll(' ', '-'),
  )
}

describe.each(['https://docs.example/v1/', '../node_modules/cutover/docs/'])('with %s', (base) => {
  const model = modelOf(base)

  test('every link of the page leads to a heading that is there', async () => {
    const links = hrefs(await htmlReport(model))
    expect(links.length).toBeGreaterThan(DEFINITIONS.length)
    for (const link of links) {
      expect(link.startsWith(base), link).toBe(true)
      const [file = '', anchor] = link.slice(base.length).split('#')
      expect(existsSync(join(DOCS, file)), link).toBe(true)
      if (anchor !== undefined) expect(headingsOf(join(DOCS, file)), link).toContain(anchor)
    }
  })

  test('the views lead to the same', async () => {
    const wanted = DEFINITIONS.map(({ docs }) => `${base}${DOCS_PAGE}#${docs}`).toSorted()
    const page = new Set(hrefs(await htmlReport(model)))
    expect([...page].filter((href) => href.includes('#')).toSorted()).toEqual(wanted)
    expect(page).toContain(`${base}${DOCS_PAGE}`)
    expect(markdownLinks(markdownReport(model)).toSorted()).toEqual(wanted)
    const text = textReport(model).match(/^How each number is computed: (.+)$/m)
    expect(text?.[1]).toBe(`${base}${DOCS_PAGE}`)
    expect(JSON.parse(jsonReport(model)).docs).toBe(base)
  })

  test('every part of the page that is explained has its link, each page of many too', async () => {
    const pages = await htmlPages(model)
    const full = pages.find(({ file }) => file === 'parse-email.html')?.html ?? ''
    const parts = [...full.matchAll(/<h2 id="m1-[^"]*">([^<]+)<\/h2>(<p class="how small">[\s\S]*?<\/p>)?/g)]
    const explained = parts.filter(([, , how]) => how !== undefined)
    expect(explained.length).toBe(DEFINITIONS.length)
    for (const [, title, how = ''] of explained) {
      const anchor = DEFINITIONS.find((part) => part.title === title)?.docs
      expect(hrefs(how)).toEqual([`${base}${DOCS_PAGE}#${anchor}`])
    }
  })
})

test('without docs there is no link, but the page and the version are named', async () => {
  const model = modelOf(null)
  const page = await htmlReport(model)
  expect(hrefs(page)).toEqual([])
  expect(page).toContain('<code>docs/report.md</code> of cutover 1.2.3')
  expect(page).toContain('More in docs/report.md#latency')
  expect(markdownLinks(markdownReport(model))).toEqual([])
  expect(markdownReport(model)).toContain('How these numbers are computed: `docs/report.md` of cutover `1.2.3`')
  expect(textReport(model)).toContain('How each number is computed: docs/report.md of cutover 1.2.3')
})
