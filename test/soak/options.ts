// What is to be played, read from the command line; everything that chance decides hangs on the seed.

import { parseArgs } from 'node:util'

const BEDS = ['redis', 'bullmq', 'embedded'] as const
export type Bed = (typeof BEDS)[number]

export interface SoakOptions {
  readonly jobs: number
  /** Over how long they are sent. */
  readonly seconds: number
  readonly seed: number
  /**
   * `redis`: bee-queue to BullMQ, the ledger on the same Redis. `bullmq`: BullMQ on both sides. `embedded`: SQLite alone.
   */
  readonly bed: Bed
  /** Unfenced legacy jobs, where the configuration knows them. */
  readonly unfenced: boolean
  readonly json: boolean
}

export const USAGE = `npm run soak -- [--jobs N] [--minutes M | --seconds S] [--seed S] [--bed redis|bullmq|embedded] [--unfenced] [--json]`

export function readOptions(argv: readonly string[]): SoakOptions {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      jobs: { type: 'string', default: '200000' },
      minutes: { type: 'string' },
      seconds: { type: 'string' },
      seed: { type: 'string' },
      bed: { type: 'string', default: 'redis' },
      unfenced: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  })
  const seconds =
    values.seconds === undefined
      ? 60 * numberOf('--minutes', values.minutes ?? '10')
      : numberOf('--seconds', values.seconds)
  const bed = BEDS.find((one) => one === values.bed)
  if (bed === undefined) throw new Error(`--bed is ${values.bed}; one of ${BEDS.join(', ')}`)
  return {
    jobs: numberOf('--jobs', values.jobs),
    seconds,
    seed: values.seed === undefined ? Math.floor(Math.random() * 1e9) : numberOf('--seed', values.seed),
    bed,
    unfenced: values.unfenced,
    json: values.json,
  }
}

function numberOf(option: string, text: string): number {
  const n = Number(text)
  if (!Number.isFinite(n) || n <= 0) throw new Error(`${option} is ${text}; a number above 0`)
  return n
}
