// Chromium for the tests of what people look at, started where it is installed.

import { existsSync } from 'node:fs'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'

const PATHS = [process.env['CHROMIUM_PATH'], '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']

/** Its path; undefined where it is missing. In CI that is a failure, not a skip. */
export function chromiumPath(): string | undefined {
  const found = PATHS.find((path) => path !== undefined && existsSync(path))
  if (found === undefined && process.env['CI'] === 'true')
    throw new Error('chromium is missing in CI; `npm run setup` installs it')
  if (found === undefined) process.stderr.write('chromium is missing, its tests are skipped: run `npm run setup`\n')
  return found
}

export async function launchChromium(executablePath: string): Promise<Browser> {
  const args = ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu', '--disable-background-networking']
  return await chromium.launch({ executablePath, args })
}

export interface Opened {
  readonly page: Page
  /** Errors of the page and of its console, and every request but the first. */
  readonly complaints: readonly string[]
  close(): Promise<void>
}

/** Opens HTML as a server would give it, with its headers. */
export async function openHtml(
  browser: Browser,
  html: string,
  { headers = {}, ...options }: BrowserContextOptions & { headers?: Record<string, string> } = {},
): Promise<Opened> {
  const context = await browser.newContext(options)
  const page = await context.newPage()
  const complaints: string[] = []
  const address = 'https://report.test/'
  await page.route('**/*', async (route) => {
    const url = route.request().url()
    if (url === address) {
      await route.fulfill({ body: html, contentType: 'text/html; charset=utf-8', headers })
      return
    }
    complaints.push(`request: ${url.slice(0, 200)}`)
    await route.abort()
  })
  page.on('console', (message) => complaints.push(`console ${message.type()}: ${message.text()}`))
  page.on('pageerror', (error) => complaints.push(`error: ${error.message}`))
  page.on('dialog', (dialog) => {
    complaints.push(`dialog: ${dialog.message()}`)
    dialog.dismiss().catch(() => {}) // the page is being closed
  })
  await page.goto(address)
  return { page, complaints, close: () => context.close() }
}
