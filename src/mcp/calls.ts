// What the preload leaves for others to read; importing this changes nothing, importing `preload.ts` does.

/** What the file of a process holds: the last call that starts a process. */
export interface Call {
  readonly call: string
  /** The program; of a shell's line its first word. */
  readonly program: string
  readonly at: number
  readonly stack: readonly string[]
  readonly returned: boolean
}

/** Where, in the same process, pending promises are asked for: `globalThis[PENDING]?.()`. */
export const PENDING = Symbol.for('cutover.pending-awaits')

export function pendingPromises(): readonly string[] | undefined {
  return (globalThis as { [PENDING]?: () => readonly string[] })[PENDING]?.()
}
