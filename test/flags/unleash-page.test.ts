// What people see on Unleash's own pages of a flag that cutover writes and counts: its variants, its exposures, its events.
//
// `IMAGES=docs/images npx vitest run test/flags/unleash-page.test.ts` takes the pictures of docs/unleash.md anew.

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { unleashFlags } from '../../adapters/flags/unleash/index.ts'
import type { FlagSource } from '../../src/ports/flags.ts'
import { until } from '../support/app.ts'
import { chromiumPath, launchChromium } from '../support/browser.ts'
import { hasUnleash, startUnleash, type UnleashServer } from '../support/unleash.ts'

const chromium = chromiumPath()
const there = hasUnleash() && chromium !== undefined
const images = process.env['IMAGES']
let server: UnleashServer
let flags: FlagSource
let browser: Browser
let page: Page

beforeAll(async () => {
  if (!there) return
  ;[server, browser] = await Promise.all([startUnleash(), launchChromium(chromium as string)])
  flags = unleashFlags({
    ...{ url: server.url, token: server.backendToken, appName: 'mail', poll: '500ms', metrics: '200ms' },
    admin: { token: server.adminToken },
  }).create({ flags: ['parse-email'] })
  await flags.ready()
  await flags.writer?.create?.('parse-email', { flagKind: 'string' })
  await flags.writer?.write('parse-email', { target: 0.25, shadow: 1 })
  for (let n = 0; n < 1200; n += 1) {
    const route = n % 4 === 0 ? 'target-shadowed' : 'legacy-shadowed'
    flags.exposed?.('parse-email', n < 1000 ? { route, reason: 'flag' } : { route: 'legacy', reason: 'latch' })
  }
  await until(async () => await counted(server), 'the exposures are counted', 30_000)
  page = await logIn(browser, server)
}, 150_000)
afterAll(async () => {
  await browser?.close()
  await flags?.close()
  await server?.stop()
})

async function counted({ api }: UnleashServer): Promise<boolean> {
  const { data } = (await api('GET', 'client-metrics/features/parse-email/raw')) as { data: { yes: number }[] }
  return data.some(({ yes }) => yes === 1000)
}

async function logIn(from: Browser, { url, login }: UnleashServer): Promise<Page> {
  const context = await from.newContext({ viewport: { width: 1280, height: 820 }, timezoneId: 'UTC' })
  const opened = await context.newPage()
  await opened.goto(`${url}/login`)
  await opened.locator('input[type=password]').waitFor()
  await opened.locator('input').first().fill(login.username)
  await opened.locator('input[type=password]').fill(login.password)
  await opened.keyboard.press('Enter')
  await opened.waitForURL((to) => !to.pathname.includes('/login'))
  return opened
}

async function picture(name: string): Promise<void> {
  const bytes = await page.screenshot()
  expect(bytes.length).toBeGreaterThan(20_000)
  if (images === undefined) return
  mkdirSync(images, { recursive: true })
  await page.screenshot({ path: join(images, `${name}.png`) })
}

const at = (tab: string): string => `${server.url}/projects/default/features/parse-email${tab}`
const seen = (text: string | RegExp): Promise<void> => page.getByText(text).first().waitFor()

describe.skipIf(!there)('the pages of the flag', () => {
  test('the strategy with its variants', async () => {
    // registered a little later than counted: until then the page asks for an SDK
    await until(
      async () => {
        await page.goto(at(''))
        await seen('production')
        return (await page.getByText('Connect SDK').count()) === 0
      },
      'the page knows its application',
      30_000,
    )
    await page.getByText('development').first().click()
    await seen('of your base with')
    await page
      .getByText('Ok, got it!')
      .click({ timeout: 5000 })
      .catch(() => {}) // shown once to each person
    for (const text of ['Variants (4)', '75%', 'legacy-shadowed', '25%', 'target-shadowed']) await seen(text)
    await picture('unleash-flag')
  }, 60_000)

  test('the exposures', async () => {
    await page.goto(at('/metrics'))
    await page.getByText('development').first().click()
    await seen('1,200')
    await seen(/^83%$/) // of 1,200 decisions the flag had its say in 1,000
    await page.waitForTimeout(1000) // the bars grow
    await picture('unleash-metrics')
  }, 60_000)

  test('what was changed', async () => {
    await page.goto(at('/logs'))
    await seen('feature-strategy-update')
    await seen('weight: 750')
    await picture('unleash-events')
  }, 60_000)
})
