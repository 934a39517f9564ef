// The pools of one migration in one process, a side each, made when a handler first asks. Nothing of MCP is loaded before.

import type { Side } from '../vocabulary/job.ts'
import type { ToolPool } from './pool.ts'

export class ToolPools {
  readonly #make: (side: Side) => Promise<ToolPool>
  readonly #pools = new Map<Side, Promise<ToolPool>>()

  constructor(make: (side: Side) => Promise<ToolPool>) {
    this.#make = make
  }

  of(side: Side): Promise<ToolPool> {
    let pool = this.#pools.get(side)
    if (pool === undefined) {
      pool = this.#make(side)
      this.#pools.set(side, pool)
      pool.catch(() => this.#pools.delete(side))
    }
    return pool
  }

  /** After a probe on this side. */
  async look(side: Side): Promise<void> {
    const pool = await this.#pools.get(side)
    pool?.look()
  }

  async close(side: Side): Promise<void> {
    const pool = this.#pools.get(side)
    this.#pools.delete(side)
    await (await pool)?.close()
  }
}
