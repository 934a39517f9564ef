// Under which id has the backend the copy of this row?

import type { JobRow } from '../ports/ledger.ts'
import { backendIdOf, backendIdOfAdopted } from '../vocabulary/ids.ts'

/** An adopted job keeps the id that old code gave it, until it is moved. */
export function backendIdOfRow({ id, gen, stamp }: Pick<JobRow, 'id' | 'gen' | 'stamp'>): string {
  return stamp.adopted && gen === 0 ? backendIdOfAdopted(id) : backendIdOf(id, gen, 'primary')
}
