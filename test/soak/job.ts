// What a soak's job is to do: decided by its number alone, so that producers, workers and the count at the end agree.

export interface SoakJob {
  readonly n: number
  readonly kind: 'ok' | 'retry' | 'fail'
  readonly slowMs: number
}

export interface Send {
  readonly job: SoakJob
  readonly delayMs: number
  /** Undefined: the library makes one. */
  readonly id: string | undefined
}

/** A number in [0, 1) that looks like chance and is the same each time. */
function part(n: number, salt: number): number {
  let x = Math.imul(n ^ (salt * 0x9e3779b1), 0x85ebca6b)
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35)
  return ((x ^ (x >>> 16)) >>> 0) / 2 ** 32
}

export function sendOf(n: number, seed: number): Send {
  const kind = part(n, 1) < 0.02 ? 'fail' : part(n, 2) < 0.05 ? 'retry' : 'ok'
  return {
    job: { n, kind, slowMs: part(n, 3) < 0.02 ? 100 + Math.floor(part(n, 4) * 400) : 0 },
    delayMs: part(n, 5) < 0.05 ? Math.floor(part(n, 6) * 3000) : 0,
    id: part(n, 7) < 0.5 ? `own-${seed}-${n}` : undefined,
  }
}
