// Makes docs/images/report.png for the README: runs the demo and takes a picture of the page that it wrote.
// `node scripts/screenshot.ts [report.html]`: of that page instead. Needs Chromium (`npm run setup`).

import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { chromiumPath, launchChromium } from '../test/support/browser.ts'

const ROOT = join(import.meta.dirname, '..')
const IMAGE = join(ROOT, 'docs/images/report.png')
/** Wide enough for the whole line of numbers, high enough for the first plots. */
const SIZE = { width: 1080, height: 900 }

const path = chromiumPath()
if (path === undefined) process.exit(1)
const folder = mkdtempSync(join(tmpdir(), 'cutover-screenshot-'))
try {
  const [given] = process.argv.slice(2)
  const page = given === undefined ? demoPage() : resolve(given)
  const browser = await launchChromium(path)
  try {
    const tab = await browser.newPage({ viewport: SIZE, colorScheme: 'light' })
    await tab.goto(`${pathToFileURL(page)}#m1`)
    mkdirSync(join(ROOT, 'docs/images'), { recursive: true })
    await tab.screenshot({ path: IMAGE })
  } finally {
    await browser.close()
  }
  process.stdout.write(`written to ${IMAGE}\n`)
} finally {
  rmSync(folder, { recursive: true, force: true })
}

function demoPage(): string {
  const demo = join(ROOT, 'examples/email-agent/demo.ts')
  const { status } = spawnSync(process.execPath, [demo, '--work', join(folder, 'demo')], { stdio: 'inherit' })
  if (status !== 0) throw new Error(`the demo ended with ${status}`)
  return join(folder, 'demo/report.html')
}
