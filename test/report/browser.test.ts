// The page in a real browser: it is readable without script, complains of nothing, and whatever stands in it runs nothing.

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import axe from 'axe-core'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { buildReport } from '../../src/report/build.ts'
import { formatCount } from '../../src/report/format.ts'
import { contentPolicy } from '../../src/report/html/page.ts'
import { htmlPages, htmlReport } from '../../src/report/html.ts'
import { chromiumPath, launchChromium, type Opened, openHtml } from '../support/browser.ts'
import { ATTACKS, attacked } from '../support/hostile.ts'
import { CLEAN, EMPTY } from '../support/report-cases.ts'
import { full } from '../support/report-full.ts'
import { START } from '../support/snapshots.ts'

const path = chromiumPath()
const model = buildReport({
  ledgerSnapshots: [full()],
  at: START + 7_200_000,
  version: '1.2.3',
  docs: 'https://docs.example/',
})
const jobs = model.migrations[0]?.jobs.enqueued ?? 0
const STRICT = { headers: { 'content-security-policy': contentPolicy() } }

/** 210 × 297 mm without the margins, in px. */
const A4 = { width: 703, height: 1016 }

const MODES: Readonly<Record<string, BrowserContextOptions>> = {
  light: { viewport: { width: 1200, height: 900 }, colorScheme: 'light' },
  dark: { viewport: { width: 1200, height: 900 }, colorScheme: 'dark' },
  phone: { viewport: { width: 390, height: 844 }, colorScheme: 'light', isMobile: true, hasTouch: true },
}

describe.skipIf(path === undefined)('in Chromium', () => {
  let browser: Browser
  let html: string
  beforeAll(async () => {
    browser = await launchChromium(path ?? '')
    html = await htmlReport(model)
  })
  afterAll(async () => {
    await browser?.close()
  })

  async function withPage(
    text: string,
    options: Parameters<typeof openHtml>[2],
    look: (opened: Opened) => Promise<void>,
  ): Promise<void> {
    const opened = await openHtml(browser, text, options)
    try {
      await look(opened)
    } finally {
      await opened.close()
    }
  }

  describe.each(Object.entries(MODES))('%s', (name, mode) => {
    test('without script everything is there to be read', async () => {
      await withPage(html, { ...mode, ...STRICT, javaScriptEnabled: false }, async ({ page, complaints }) => {
        expect(await page.locator('.verdict').textContent()).toContain(`${formatCount(jobs)} jobs, none lost`)
        const drawings = page.locator('figure.plot svg')
        expect(await drawings.count()).toBeGreaterThanOrEqual(4)
        for (const drawing of await drawings.all()) {
          const box = await drawing.boundingBox()
          expect(box?.width).toBeGreaterThan(300)
          expect(box?.height).toBeGreaterThan(150)
        }
        expect(await page.locator('label.filter').first().isVisible()).toBe(false)
        expect(complaints).toEqual([])
      })
    })

    test('fits its screen, and nothing complains', async () => {
      await withPage(html, { ...mode, ...STRICT }, async ({ page, complaints }) => {
        const widths = await page.evaluate<[number, number]>('[document.documentElement.scrollWidth, innerWidth]')
        expect(widths[0]).toBeLessThanOrEqual(widths[1])
        expect(complaints).toEqual([])
        await keep(page, name)
      })
    })

    test('axe finds no violation', async () => {
      await withPage(html, { ...mode, ...STRICT }, async ({ page }) => {
        // one of each kind: a hundred rows more of the same would only be slow
        for (const summary of ['#m1-run summary', '[aria-labelledby=computed] summary']) {
          await page.locator(summary).first().click()
        }
        expect(await violations(page)).toEqual([])
      })
    })
  })

  test('on paper it is A4, and light', async () => {
    await withPage(html, { ...MODES['dark'], ...STRICT }, async ({ page, complaints }) => {
      await page.emulateMedia({ media: 'print', colorScheme: 'dark' })
      const ink = await page.evaluate<string>('getComputedStyle(document.body).backgroundColor')
      expect(ink).toBe('rgb(255, 255, 255)')
      const pdf = (await page.pdf({ preferCSSPageSize: true })).toString('latin1')
      // A4 in points
      expect(pdf).toMatch(/\/MediaBox \[0 0 59[45](\.\d+)? 84[12](\.\d+)?\]/)
      await page.setViewportSize(A4)
      const widths = await page.evaluate<[number, number]>('[document.documentElement.scrollWidth, innerWidth]')
      expect(widths).toEqual([A4.width, A4.width])
      // what is closed on a screen and belongs to the report is printed, the tables of plots are not
      expect(await page.getByText('ended with an error, after its last attempt').isVisible()).toBe(true)
      expect(await page.getByText('wchan anon_pipe_read').isVisible()).toBe(true)
      expect(await page.locator('#m1-run details td').first().isVisible()).toBe(false)
      expect(complaints).toEqual([])
    })
  })

  test('on a usual screen no table is cut off', async () => {
    await withPage(html, { viewport: { width: 1080, height: 900 }, ...STRICT }, async ({ page }) => {
      const cut = await page.evaluate<string[]>(`[...document.querySelectorAll('.scroll:has(> table)')]
        .filter((each) => each.checkVisibility({ contentVisibilityAuto: true }) && each.scrollWidth > each.clientWidth)
        .map((each) => each.getAttribute('aria-label'))`)
      expect(cut).toEqual([])
    })
  })

  test('the index of many migrations', async () => {
    const [index] = await htmlPages(
      buildReport({ ledgerSnapshots: [full(), CLEAN, EMPTY], at: START, docs: 'https://docs.example/' }),
    )
    await withPage(index?.html ?? '', { ...MODES['light'], ...STRICT }, async ({ page, complaints }) => {
      expect(await page.locator('tbody tr').count()).toBe(3)
      expect(await violations(page)).toEqual([])
      await page.getByRole('button', { name: 'jobs' }).click()
      const inOrder = await page.locator('tbody tr td:nth-child(5)').allTextContents()
      expect(inOrder).toEqual([formatCount(jobs), '1,200', '0'])
      expect(complaints).toEqual([])
    })
  })

  test('the script shows values under the pointer, and filters', async () => {
    await withPage(html, { ...MODES['light'], ...STRICT }, async ({ page, complaints }) => {
      const figure = page.locator('#m1-run')
      await figure.locator('svg').hover({ position: { x: 200, y: 100 } })
      expect(await figure.locator('.tip').textContent()).toMatch(/^p\d+(\.\d+)?\nRun time: legacy {2}[\d.]+ ms/)
      const groups = page.locator('#m1-differences-list > section:visible')
      const before = await groups.count()
      await page.locator('label.filter input').first().fill('/result/name')
      expect(before).toBeGreaterThan(3)
      expect(await groups.count()).toBe(1)
      await page.locator('label.filter input').first().fill('nowhere')
      expect(await page.locator('[role=status]').first().textContent()).toMatch(/none of those shown/)
      expect(complaints).toEqual([])
    })
  })

  describe('hostile text in every field', () => {
    const hostile = attacked(model)

    test.each([
      ['under a strict policy', STRICT],
      // what the page's own policy would stop is let through: escaping alone must do
      ['without any policy', { bypassCSP: true }],
    ])('runs nothing %s', async (_, options) => {
      const page = await htmlReport(hostile)
      expect(page.length).toBeLessThan(1_000_000)
      await withPage(page, { ...MODES['light'], ...options }, async ({ page: opened, complaints }) => {
        await opened.mouse.move(300, 300)
        await opened.keyboard.press('Tab')
        for (const summary of await opened.locator('summary').all()) await summary.click()
        const found = await opened.evaluate<Found>(FIND)
        expect(found).toEqual({ ran: undefined, polluted: undefined, scripts: 1, styles: 1, alien: 0, shown: true })
        expect(complaints).toEqual([])
      })
    })

    test('every attack is on the page, as text', async () => {
      const page = await htmlReport(hostile)
      expect(page).toContain('&lt;script&gt;')
      expect(page.match(/globalThis\.ran/g)?.length).toBeGreaterThan(ATTACKS.length)
    })
  })

  test('the browser would have told, had anything run', async () => {
    await withPage(`<!doctype html><title>x</title>${ATTACKS[0]}${ATTACKS[1]}>`, {}, async ({ page, complaints }) => {
      expect(await page.evaluate('globalThis.ran')).toBe(1)
      expect(complaints.some((complaint) => complaint.startsWith('request:'))).toBe(true)
    })
  })
})

/** Looks for what ran, and for what could. */
const FIND = `({
  ran: globalThis.ran,
  polluted: {}.polluted,
  scripts: document.scripts.length,
  styles: document.querySelectorAll('style').length,
  alien: document.querySelectorAll('img, iframe, form, base, object, embed, [onerror], [onload], [onfocus], [href^="javascript:"]').length,
  shown: document.body.textContent.includes('<script>globalThis.ran = 1</script>'),
})`
interface Found {
  readonly ran?: number
  readonly polluted?: unknown
  readonly scripts: number
  readonly styles: number
  readonly alien: number
  readonly shown: boolean
}

/** Of the largest table one of the same kind is looked at: a thousand cells more would only be slow. */
async function violations(page: Page): Promise<string[]> {
  await page.evaluate(axe.source)
  const result = await page.evaluate<axe.AxeResults>(`axe.run({ exclude: ['#m1-time table'] })`)
  return result.violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html.slice(0, 160)}`))
}

/** `KEEP_SCREENSHOTS=folder`: the pictures, to be looked at. */
async function keep(page: Page, name: string): Promise<void> {
  const folder = process.env['KEEP_SCREENSHOTS']
  if (folder === undefined) return
  mkdirSync(folder, { recursive: true })
  await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true })
  if (name === 'light') await page.pdf({ path: join(folder, 'print.pdf'), preferCSSPageSize: true })
}
