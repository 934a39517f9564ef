// The page's style: light, dark and print from one set of variables, readable on a phone. All of it is in the page.
//
// Sides keep their colour everywhere: legacy is orange, target is blue, which also those can tell apart who confuse red
// and green. Nothing is said by colour alone.

const LIGHT = `
  --paper: #ffffff; --card: #f6f7f9; --ink: #16191d; --muted: #5a626c; --line: #dadee3; --link: #0b57c2;
  --legacy: #b4560c; --legacy-soft: #b4560c26; --target: #1f63c9; --target-soft: #1f63c926;
  --noise: #6b4fa0; --noise-soft: #6b4fa026; --muted-soft: #5a626c26;
  --bad: #b3261e; --bad-soft: #b3261e26; --look: #8a5a00; --look-soft: #f3d48a66; --ok: #1b6e3c; --ok-soft: #1b6e3c1f;
`

const DARK = `
  --paper: #14171b; --card: #1d2127; --ink: #e8eaed; --muted: #a3abb5; --line: #373d45; --link: #8ab8ff;
  --legacy: #f0a35e; --legacy-soft: #f0a35e33; --target: #7fb0ff; --target-soft: #7fb0ff33;
  --noise: #c0a6f0; --noise-soft: #c0a6f033; --muted-soft: #a3abb533;
  --bad: #ff8f85; --bad-soft: #ff8f8533; --look: #f2c14e; --look-soft: #f2c14e26; --ok: #7bd69b; --ok-soft: #7bd69b26;
`

export const STYLE = `
:root { color-scheme: light dark; ${LIGHT} }
@media (prefers-color-scheme: dark) { :root { ${DARK} } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; scroll-padding-top: 1rem; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
main, footer { max-width: 1040px; margin: 0 auto; padding: 0 20px; }
footer { color: var(--muted); padding-bottom: 40px; }
a { color: var(--link); }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 28px 0 4px; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; line-height: 1.3; margin: 40px 0 8px; padding-top: 12px; border-top: 1px solid var(--line); }
section { position: relative; }
.how { position: absolute; right: 0; top: 14px; margin: 0; }
h3 { font-size: 1rem; margin: 20px 0 4px; }
p { margin: 6px 0; }
p, td, li, .stages span { text-wrap: pretty; }
.quiet { color: var(--muted); }
.small { font-size: 0.875rem; }
code, .value, .path { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: 0.875em; }
code { overflow-wrap: anywhere; }
nav ul { list-style: none; margin: 12px 0 0; padding: 0; display: flex; flex-wrap: wrap; gap: 4px 16px; font-size: 0.9rem; }
.verdict { margin: 16px 0 0; padding: 14px 16px; border-left: 6px solid var(--line); background: var(--card); border-radius: 4px; font-size: 1.1rem; }
.verdict b { text-transform: uppercase; letter-spacing: 0.04em; font-size: 0.9rem; margin-right: 8px; }
.verdict.ok { border-color: var(--ok); background: var(--ok-soft); } .verdict.ok b { color: var(--ok); }
.verdict.look { border-color: var(--look); background: var(--look-soft); } .verdict.look b { color: var(--look); }
.verdict.broken { border-color: var(--bad); background: var(--bad-soft); } .verdict.broken b { color: var(--bad); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 10px; margin: 14px 0 0; padding: 0; list-style: none; }
.tiles li { background: var(--card); border: 1px solid var(--line); border-radius: 6px; padding: 10px 12px; }
.tiles strong { display: block; font-size: 1.5rem; line-height: 1.2; font-variant-numeric: tabular-nums; }
.tiles .bad strong { color: var(--bad); }
.tiles span { display: block; color: var(--muted); font-size: 0.85rem; }
.tiles .what { color: var(--ink); font-weight: 600; }
.findings { list-style: none; padding: 0; margin: 14px 0 0; }
.findings li { display: grid; grid-template-columns: 4.5em 1fr; gap: 8px; padding: 5px 0; border-top: 1px solid var(--line); }
.findings b { font-size: 0.875rem; line-height: 1.7; }
.findings .broken b { color: var(--bad); } .findings .look b { color: var(--look); } .findings .note b { color: var(--muted); }
.scroll { overflow-x: auto; max-width: 100%; }
.scroll:focus-visible, summary:focus-visible, button:focus-visible, input:focus-visible, a:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
table { border-collapse: collapse; margin: 8px 0; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--muted); font-size: 0.875rem; padding-bottom: 4px; }
th, td { padding: 4px 14px 4px 0; text-align: right; vertical-align: top; border-bottom: 1px solid var(--line); }
thead th { color: var(--muted); font-weight: 600; font-size: 0.875rem; vertical-align: bottom; white-space: nowrap; }
tbody th { font-weight: 400; }
th.t, td.t { text-align: left; }
tbody th.t, td.time { white-space: nowrap; }
th bdi, td bdi { white-space: normal; overflow-wrap: anywhere; }
th.f, td.f { min-width: 7em; }
td.wide { min-width: 14em; }
td.level.ok { color: var(--ok); } td.level.look { color: var(--look); } td.level.broken { color: var(--bad); }
table.index { font-size: 0.88rem; }
table.index th.n, table.index td.n { padding-left: 0.3em; padding-right: 0.3em; }
main:has(.index):not(:has(article)), main:has(.index):not(:has(article)) + footer { max-width: 1240px; }
.sentence { display: block; white-space: normal; min-width: 14em; }
td.n, th.n { white-space: nowrap; }
tr.part th { padding-left: 14px; color: var(--muted); }
th button { font: inherit; color: inherit; background: none; border: 0; padding: 0; cursor: pointer; text-align: inherit; }
th button::after { content: " \\2195"; opacity: 0.6; }
th[aria-sort="ascending"] button::after { content: " \\2191"; opacity: 1; }
th[aria-sort="descending"] button::after { content: " \\2193"; opacity: 1; }
.two { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 420px), 1fr)); gap: 0 32px; align-items: start; }
.two > * { min-width: 0; }
.two:not(:has(figure)) { display: flex; flex-wrap: wrap; gap: 0 48px; }
.two:not(:has(figure)) > * { max-width: 100%; }
figure { margin: 14px 0; position: relative; }
figcaption h3 { margin: 0; }
figure svg { display: block; width: 100%; height: auto; }
svg text { font-family: inherit; }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: 2px 18px; margin: 4px 0; padding: 0; font-size: 0.875rem; }
.legend li::before { content: ""; display: inline-block; width: 22px; height: 0; margin-right: 6px; vertical-align: 4px; border-top: 3px solid var(--muted); }
.legend .legacy::before { border-color: var(--legacy); } .legend .target::before { border-color: var(--target); }
.legend .bad::before { border-color: var(--bad); } .legend .noise::before { border-color: var(--noise); }
.legend .ok::before { border-color: var(--ok); } .legend .ink::before { border-color: var(--ink); }
.legend .dashed::before { border-top-style: dashed; } .legend .dotted::before { border-top: 2px dotted; border-color: inherit; }
.legend .ok.dotted::before { border-color: var(--ok); } .legend .bad.dotted::before { border-color: var(--bad); } .legend .ink.dotted::before { border-color: var(--ink); }
.stages { list-style: none; margin: 12px 0; padding: 0; display: grid; grid-template-columns: repeat(auto-fit, minmax(118px, 1fr)); gap: 6px; }
.stages li { border: 1px solid var(--line); border-top: 5px solid var(--line); border-radius: 4px; padding: 6px 10px; font-size: 0.875rem; }
.stages li.left { border-top-color: var(--bad); } .stages li.left .state { color: var(--bad); font-weight: 600; } .stages li.passed { border-top-color: var(--ok); } .stages li.current { border-color: var(--target); border-top-color: var(--target); background: var(--target-soft); }
.stages span { display: block; } .stages i { font-style: normal; white-space: nowrap; } .stages b { overflow-wrap: anywhere; } .stages .state { color: var(--muted); font-size: 0.8rem; text-transform: uppercase; letter-spacing: 0.04em; } .stages .current .state { color: var(--ink); font-weight: 600; }
tr.fail td:nth-child(3), tr.hold td:nth-child(3), tr.pass td:nth-child(3) { min-width: 15em; }
tr.fail th, tr.fail td:nth-child(2) { color: var(--bad); font-weight: 600; } tr.hold td:nth-child(2) { color: var(--look); font-weight: 600; } tr.pass td:nth-child(2) { color: var(--ok); font-weight: 600; }
.legend .band::before { height: 10px; vertical-align: 0; border-top: 0; background: var(--bad-soft); }
details { margin: 4px 0; }
summary { cursor: pointer; color: var(--muted); font-size: 0.875rem; }
.tip { position: absolute; pointer-events: none; background: var(--paper); color: var(--ink); border: 1px solid var(--muted); border-radius: 4px; padding: 4px 8px; font-size: 0.8rem; white-space: pre; z-index: 2; }
.tippre { margin: 4px 0; font-size: 0.8rem; white-space: pre-wrap; }
td.mcp.up b { color: var(--ok); } td.mcp.flaky b { color: var(--look); } td.mcp.down b { color: var(--bad); } td.mcp.not-probed b { color: var(--muted); }
[hidden] { display: none; }
.cursor { stroke: var(--muted); stroke-width: 1; }
.filter { display: block; margin: 8px 0; font-size: 0.9rem; }
.filter input { font: inherit; color: inherit; background: var(--paper); border: 1px solid var(--muted); border-radius: 4px; padding: 4px 8px; width: min(100%, 24rem); margin-left: 6px; }
.difference { border: 1px solid var(--line); border-radius: 6px; padding: 8px 12px 4px; margin: 10px 0; }
.difference > p.job { margin: 2px 0 0; text-align: right; }
.difference header { display: flex; flex-wrap: wrap; gap: 2px 16px; align-items: baseline; }
.difference .path { font-weight: 600; overflow-wrap: anywhere; flex: 1 1 260px; font-size: 0.95em; }
.difference .count { font-variant-numeric: tabular-nums; }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 8px; margin: 8px 0 0; }
.pair > div { border-left: 4px solid var(--line); background: var(--card); padding: 6px 10px; border-radius: 0 4px 4px 0; min-width: 0; }
.pair .legacy { border-color: var(--legacy); } .pair .target { border-color: var(--target); }
.pair dt { font-size: 0.8rem; color: var(--muted); } .pair dd { margin: 0; white-space: pre-wrap; overflow-wrap: anywhere; }
mark { color: inherit; border-radius: 2px; padding: 0 1px; }
.legacy mark { background: var(--legacy-soft); box-shadow: 0 1px 0 var(--legacy); } .target mark { background: var(--target-soft); box-shadow: 0 1px 0 var(--target); }
[hidden] { display: none !important; }
@media (max-width: 640px) {
  body { font-size: 14px; }
  main, footer { padding: 0 12px; }
  h1 { font-size: 1.35rem; margin-top: 18px; }
  .tiles { grid-template-columns: repeat(2, 1fr); }
  .how { position: static; }
  .pair { grid-template-columns: 1fr; }
  th, td { padding-right: 10px; } thead th { white-space: normal; }
  .filter input { width: 100%; margin: 2px 0 0; }
  figure.plot.wide svg { width: 860px; } figure.plot.half svg { width: 430px; }
}
@page { size: A4; margin: 14mm 12mm; }
@media print {
  :root { color-scheme: light; font-size: 10pt; ${LIGHT} }
  body { font-size: 10pt; }
  main, footer { max-width: none; padding: 0; }
  nav, .how, .filter, summary, th button::after { display: none; }
  table, thead th, table .small, pre { font-size: 8.5pt; } pre { white-space: pre-wrap; overflow-wrap: anywhere; } thead th { white-space: normal; } th, td { padding: 2pt 8pt 2pt 0; } th.f, td.f, .sentence, td.wide, tr td:nth-child(3) { min-width: 0 !important; }
  details.paper > summary { display: list-item; list-style: none; color: inherit; font-weight: 600; break-after: avoid; }
  details.paper::details-content { content-visibility: visible; block-size: auto; }
  .tiles { grid-template-columns: repeat(5, 1fr); } .stages { grid-template-columns: repeat(auto-fit, minmax(96px, 1fr)); }
  th button { pointer-events: none; }
  h2 { margin-top: 18pt; break-after: avoid; } h3, figcaption { break-after: avoid; }
  .difference, figure, .verdict, tr { break-inside: avoid; }
  .scroll { overflow: visible; }
  .two:has(figure) { grid-template-columns: 1fr 1fr; gap: 0 18px; }
  .pair { grid-template-columns: 1fr 1fr; }
  a { color: inherit; text-decoration: none; }
  * { -webkit-print-color-adjust: exact; print-color-adjust: exact; }
}
`
