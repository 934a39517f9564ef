// Where are the docs of this cutover, for the links of a report? Said by somebody, published with the package, or installed
// beside the report.

import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, relative, sep } from 'node:path'
import { ownPackage, packageVersion } from './package.ts'

const LONGEST = 1000
const SCHEMES: readonly string[] = ['https:', 'http:', 'file:']
/** What begins a URL of its own, also where a browser would take a tab or a backslash for something else. */
const SCHEME = /^[a-z][a-z0-9+.-]*:/i

export const DOCS_ALLOWED = 'an https, http or file URL, or a relative path, of the folder that report.md is in'

/** The base of links, ending in `/`, or what is wrong with what was given. */
export function docsBase(given: unknown): { readonly base: string } | { readonly wrong: string } {
  if (typeof given !== 'string' || given === '') return { wrong: 'is no text' }
  if (given.length > LONGEST) return { wrong: `is longer than ${LONGEST} characters` }
  if (/[^\x21-\x7e]|[\\"'<>`^{|}]/.test(given)) {
    return { wrong: 'has a character that stands in no URL (write it with %)' }
  }
  if (/[?#]/.test(given)) return { wrong: 'has a query or a #' }
  if (/\.(?:md|html?)\/?$/i.test(given)) return { wrong: 'names a file' }
  const folder = given.endsWith('/') ? given : `${given}/`
  // round brackets end a link in Markdown
  const base = folder.replaceAll('(', '%28').replaceAll(')', '%29').replaceAll('[', '%5B').replaceAll(']', '%5D')
  if (!SCHEME.test(given)) return given.startsWith('/') ? { wrong: 'is an absolute path' } : { base }
  if (!URL.canParse(base)) return { wrong: 'is no URL' }
  const url = new URL(base)
  if (!SCHEMES.includes(url.protocol)) return { wrong: `begins with ${url.protocol}` }
  if (url.username !== '' || url.password !== '') return { wrong: 'has a user or a password' }
  return { base: url.href }
}

/** The base that is meant by `docs` of the configuration, which was checked; without it what the package says of itself. */
export function docsOf(given: string | undefined): string | null {
  const read = given === undefined ? undefined : docsBase(given)
  return read !== undefined && 'base' in read ? read.base : publishedDocs(ownPackage())
}

/** Where a package says its source is, as its docs of one version are read there; only hosts that show Markdown. */
export function publishedDocs(manifest: unknown): string | null {
  const { repository, version } = (manifest ?? {}) as { repository?: unknown; version?: unknown }
  const url = typeof repository === 'string' ? repository : (repository as { url?: unknown } | undefined)?.url
  if (typeof url !== 'string' || typeof version !== 'string') return null
  const [, host, path] = /^(?:git\+)?https:\/\/(github\.com|gitlab\.com)\/([\w./-]+?)(?:\.git)?\/?$/.exec(url) ?? []
  if (host === undefined || path === undefined) return null
  return `https://${host}/${path}${host === 'gitlab.com' ? '/-' : ''}/blob/v${version}/docs/`
}

/**
 * From a folder that a report is written into to the docs of the cutover that is installed there, in it or above; null:
 * none of this version is. A relative path without the name of any folder above, so that it tells nothing of the machine.
 */
export function installedDocs(folder: string, version: string = packageVersion()): string | null {
  for (let above = folder; ; above = dirname(above)) {
    for (const root of [join(above, 'node_modules/cutover'), above]) {
      if (!isCutover(root, version)) continue
      const path = relative(folder, join(root, 'docs')).split(sep).map(encodeURIComponent).join('/')
      const read = docsBase(path === '' ? '.' : path)
      return 'base' in read ? read.base : null
    }
    if (dirname(above) === above) return null
  }
}

function isCutover(root: string, version: string): boolean {
  const manifest = join(root, 'package.json')
  if (!existsSync(join(root, 'docs/report.md')) || !existsSync(manifest)) return false
  try {
    const read = JSON.parse(readFileSync(manifest, 'utf8')) as { name?: unknown; version?: unknown }
    return read.name === 'cutover' && read.version === version
  } catch {
    // a manifest that cannot be read is nobody's
    return false
  }
}
