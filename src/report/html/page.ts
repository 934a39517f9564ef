// One file that can be opened anywhere: it loads nothing, and its own policy lets nothing run but the script in it.

import { createHash } from 'node:crypto'
import { escapeHtml, html, type Markup } from './markup.ts'
import { SCRIPT } from './script.ts'
import { STYLE } from './theme.ts'

function hashOf(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`
}

/** Nothing is allowed but the page's own style and script, each by its hash. */
export function contentPolicy(): string {
  return [
    "default-src 'none'",
    'img-src data:',
    `style-src ${hashOf(STYLE)}`,
    `script-src ${hashOf(SCRIPT)}`,
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ')
}

/** `title` is text, the rest is markup. */
export function page({ title, main, footer }: { title: string; main: Markup; footer: Markup }): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${contentPolicy()}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<link rel="icon" href="data:,">
<title>${escapeHtml(title.slice(0, 200))}</title>
<style>${STYLE}</style>
</head>
<body>
${html`<main>${main}</main>
<footer>${footer}</footer>`}
<script>${SCRIPT}</script>
</body>
</html>
`
}
