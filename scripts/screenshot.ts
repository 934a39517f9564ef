// Makes the pictures of docs/images that show the report, for the README and for the demo's: runs the demo and takes them of the
// page that it wrote.
// `node scripts/screenshot.ts [report.html]`: of that page instead. Needs Chromium (`npm run setup`).

import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { chromiumPath, launchChromium } from '../test/support/browser.ts'

const ROOT = join(import.meta.dirname, '..')
const IMAGES = join(ROOT, 'docs/images')
const WIDTH = 1080
/** From where on the page, and how much of it. */
const PICTURES = [
  { file: 'report.png', at: 'm1', height: 900 },
  { file: 'report-differences.png', at: 'm1-differences', height: 705 },
] as const

const path = chromiumPath()
if (path === undefined) process.exit(1)
const folder = mkdtempSync(join(tmpdir(), 'cutover-screenshot-'))
try {
  const [given] = process.argv.slice(2)
  const page = given === undefined ? demoPage() : resolve(given)
  const browser = await launchChromium(path)
  try {
    mkdirSync(IMAGES, { recursive: true })
    for (const { file, at, height } of PICTURES) {
      const tab = await browser.newPage({ viewport: { width: WIDTH, height }, colorScheme: 'light' })
      await tab.goto(`${pathToFileURL(page)}#${at}`)
      await tab.screenshot({ path: join(IMAGES, file) })
      process.stdout.write(`written to ${join(IMAGES, file)}\n`)
    }
  } finally {
    await browser.close()
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}

function demoPage(): string {
  const demo = join(ROOT, 'examples/email-agent/demo.ts')
  const { status } = spawnSync(process.execPath, [demo, '--work', join(folder, 'demo')], { stdio: 'inherit' })
  if (status !== 0) throw new Error(`the demo ended with ${status}`)
  return join(folder, 'demo/report.html')
}
