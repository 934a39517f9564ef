// The page says the same numbers as the other views, holds nothing that another wrote as HTML, and stays small.

import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { buildReport, type LedgerSnapshot } from '../../src/report/build.ts'
import { DEFINITIONS } from '../../src/report/definitions.ts'
import { foreign, html } from '../../src/report/html/markup.ts'
import { htmlPages, htmlReport } from '../../src/report/html.ts'
import { PROBE_PLACES } from '../../src/vocabulary/probe.ts'
import { ATTACKED, BUSY, CLEAN, EMPTY, huge } from '../support/report-cases.ts'
import { full } from '../support/report-full.ts'
import { bucket, controlState, difference, ledgerSnapshot, START } from '../support/snapshots.ts'

const pageOf = (...ledgerSnapshots: LedgerSnapshot[]): Promise<string> =>
  htmlReport(buildReport({ ledgerSnapshots, at: START + 3_600_000, version: '1.2.3' }))

/** What is outside of the page's own style and script. */
const bodyOf = (page: string): string =>
  page.replace(/<style>[\s\S]*?<\/style>/, '').replace(/<script>[\s\S]*?<\/script>/, '')

describe('the template tag', () => {
  test('escapes whatever it is given, in content and in attributes', () => {
    const text = `<b>&"'`
    expect(html`<i title="${text}">${text}</i>`.toString()).toBe(
      '<i title="&lt;b&gt;&amp;&quot;&#39;">&lt;b&gt;&amp;&quot;&#39;</i>',
    )
  })

  test('keeps what it made, joins lists, leaves out nothing-values', () => {
    expect(html`${[html`<b>`, 'x<', 1]}${null}${undefined}${false}`.toString()).toBe('<b>x&lt;1')
  })

  test('writes out what is invisible, and sets foreign text apart', () => {
    expect(foreign('a\u202e\u0000b').toString()).toBe('<bdi>a\\u202e\\u0000b</bdi>')
  })
})

describe('the page', () => {
  test('is one file that loads nothing and allows only its own style and script', async () => {
    const page = await pageOf(BUSY)
    const [, policy = ''] = /http-equiv="Content-Security-Policy" content="([^"]+)"/.exec(page) ?? []
    const hash = (tag: string): string => {
      const [, text = ''] = new RegExp(`<${tag}>([\\s\\S]*?)</${tag}>`).exec(page) ?? []
      return `'sha256-${createHash('sha256').update(text).digest('base64')}'`
    }
    expect(policy).toContain(`default-src 'none'`)
    expect(policy).toContain(`style-src ${hash('style')}`)
    expect(policy).toContain(`script-src ${hash('script')}`)
    const body = bodyOf(page)
    expect(body.match(/ (?:src|href)="(?!#)[^"]*"/g)).toEqual([' href="data:,"'])
    expect(body).not.toMatch(/ style=| on\w+=|<style|<script|url\((?!#)/)
  })

  test('has no id twice, and every link leads to one', async () => {
    const body = bodyOf(await pageOf(BUSY, CLEAN, EMPTY))
    const ids = [...body.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id)
    expect(ids.length).toBe(new Set(ids).size)
    for (const [, to] of body.matchAll(/ (?:href="#|data-for=")([^"]+)"/g)) expect(ids).toContain(to)
  })

  test('draws both sides on one plot, with the ratio', async () => {
    const page = await pageOf(BUSY)
    const [, run = ''] = /<figure class="plot half" id="m1-run">([\s\S]*?)<\/figure>/.exec(page) ?? []
    expect(run).toContain('stroke="var(--legacy)"')
    expect(run).toContain('stroke="var(--target)"')
    expect(run).toContain('Ratio to legacy')
    expect(run).not.toContain('#333')
  })

  test('marks what differs in an example', async () => {
    const page = await pageOf(
      ledgerSnapshot({
        snapshot: {
          ...CLEAN.snapshot,
          differences: [
            difference({ path: '/result/t', example: { id: 'j', legacy: 'one two\r\n', target: 'one 2\n' } }),
          ],
        },
      }),
    )
    expect(page).toContain('<bdi>&quot;one <mark>two\\r</mark>\\n&quot;</bdi>')
    expect(page).toContain('<bdi>&quot;one <mark>2</mark>\\n&quot;</bdi>')
  })

  test('tells how each printed number is computed', async () => {
    const rows = [...(await pageOf(BUSY)).matchAll(/<h2 id="m1-(jobs|comparisons)">([\s\S]*?)<\/section>/g)]
    const labels = rows.flatMap(([, , body = '']) =>
      [...body.matchAll(/<th scope="row" class="t">([^<]+)<\/th>/g)].map(([, label = '']) => label),
    )
    expect(labels.length).toBeGreaterThan(20)
    const terms = new Set(DEFINITIONS.flatMap((part) => part.terms.map(([name]) => name.replace(/^· /, ''))))
    expect(labels.filter((label) => !terms.has(label) && !/^(legacy|target)(-shadowed)?$/.test(label))).toEqual([])
  })

  test('an empty ledger, and no ledger at all, read well', async () => {
    expect(await pageOf(EMPTY)).toContain('no jobs yet')
    expect(await pageOf()).toContain('No migration has a ledger yet')
  })
})

describe('foreign text', () => {
  test('never stands in the page as markup', async () => {
    const body = bodyOf(await pageOf(ATTACKED))
    expect(body).not.toContain('<script')
    expect(body).not.toContain('<!--')
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are looked for
    expect(body).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u200b\u202e\u2066\ufeff]/)
    expect(body).toContain('&lt;script&gt;')
  })

  test('of a megabyte is cut', async () => {
    const long = `${'x'.repeat(1_000_000)}<`
    const page = await pageOf(
      ledgerSnapshot({
        name: long,
        snapshot: {
          ...CLEAN.snapshot,
          control: controlState({ latch: { set: true, revision: 1, by: long, why: long, at: START } }),
          differences: [
            difference({ path: `/${long}`, example: { id: long, legacy: long, target: { [long]: long } } }),
          ],
        },
      }),
    )
    expect(page.length).toBeLessThan(100_000)
  })
})

test('ten thousand paths in millions of jobs: a page of at most a megabyte, the rest counted', async () => {
  const page = await pageOf(huge())
  expect(page.length).toBeLessThan(1_000_000)
  expect(page.match(/<section class="difference"/g)).toHaveLength(40)
  expect(page).toContain('9,960 more groups')
})

test('with the most of everything a page is still at most a megabyte', async () => {
  const long = 'äöü &<>"'.repeat(200)
  const phases = [{ phase: 'spawn', ms: 1, ok: false }] as const
  const lines = Array.from({ length: 60 }, () => long)
  const seen = { sentence: long, details: Array.from({ length: 12 }, () => ({ what: long, lines })) }
  const fullest: LedgerSnapshot = {
    ...full(),
    snapshot: {
      ...full().snapshot,
      buckets: [...huge().snapshot.buckets, ...errorBuckets()],
      differences: Array.from({ length: 10_000 }, (_, n) =>
        difference({ path: `/${long}${n}`, pairs: n + 1, example: { id: long, legacy: `${n}${long}`, target: long } }),
      ),
    },
    audit: Array.from({ length: 100 }, () => ({ at: START, by: long, action: long, why: long, data: null })),
    probes: Array.from({ length: 200 }, (_, n) =>
      PROBE_PLACES.map((place) => {
        const found = { class: 'crashed', ms: 1, at: START, phases, hang: seen, reached: long, sample: long } as const
        return { id: '1', server: `${n}${long}`, place, ...found }
      }),
    ).flat(),
  }
  const page = await pageOf(fullest)
  expect(Buffer.byteLength(page)).toBeLessThan(1_000_000)
  expect(page).toContain('192 more servers that failed or differ')
  expect(page).toContain('9,960 more groups')
})

function errorBuckets(): LedgerSnapshot['snapshot']['buckets'] {
  return Array.from({ length: 500 }, (_, n) => bucket({ [`job/error.primary.target.Error${n}`]: 1 }))
}

test('many migrations: a page for each, and an index with one row for each', async () => {
  const model = buildReport({ ledgerSnapshots: [BUSY, EMPTY, { ...CLEAN, name: 'index' }], at: START })
  const pages = await htmlPages(model)
  expect(pages.map(({ file }) => file)).toEqual([
    ...['index.html', 'parse-email.html', 'thread-email.html', 'index.migration.html'],
  ])
  const [index] = pages
  const rows = [...(index?.html ?? '').matchAll(/<tr><th scope="row" class="t"><a href="([^"]+)"><bdi>([^<]+)</g)]
  expect(rows.map(([, href, name]) => [href, name])).toEqual([
    ['parse-email.html', 'parse-email'],
    ['thread-email.html', 'thread-email'],
    ['index.migration.html', 'index'],
  ])
  expect(pages[1]?.html).not.toContain('thread-email')
})
