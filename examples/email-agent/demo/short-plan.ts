// The repository's own plan, for the queues of a run; in a hurry, the same stages and gates with soaks of seconds in place
// of hours.

const DEADLINE = '6s'
/** At least two deadlines, as in any plan. */
const SOAK = '12s'

/** `queues`: `LEGACY,TARGET`. */
export function planFor(markdown: string, queues: string): string {
  const [legacy, target] = queues.split(',')
  return markdown.replaceAll(/^legacy: \S+$/gm, `legacy: ${legacy}`).replaceAll(/^target: \S+$/gm, `target: ${target}`)
}

export function shortPlan(markdown: string): string {
  return markdown
    .split('\n')
    .map((line) => {
      if (/^deadline: /.test(line)) return `deadline: ${DEADLINE}`
      if (!/^ {2}- \{name: /.test(line)) return line
      return line.replace(/, min-soak: \w+/, '').replace(/(target: [\d.]+%)/, `$1, min-soak: ${SOAK}`)
    })
    .join('\n')
}
