// Through which stages does the demo take its migrations, and how are the dials turned?

import { resolveMigration } from '../../../src/config/resolve.ts'
import type { FlagWriter } from '../../../src/ports/flags.ts'
import type { Ledger } from '../../../src/ports/ledger.ts'
import { type Dials, formatShare } from '../../../src/vocabulary/dials.ts'
import type config from '../cutover.config.ts'
import { MIGRATIONS } from './messages.ts'

export interface Stage {
  readonly name: string
  readonly dials: Dials
  /** Up to this share of all jobs. */
  readonly until: number
}

/** A fifth of what is shadowed also runs on legacy again: how much does legacy differ from itself? */
const control = 0.2

export const STAGES: readonly Stage[] = [
  { name: 'legacy', dials: { target: 0, shadow: 0, control: 0 }, until: 0.1 },
  { name: 'shadow 100%', dials: { target: 0, shadow: 1, control }, until: 0.45 },
  { name: 'target 10%', dials: { target: 0.1, shadow: 1, control }, until: 0.65 },
  { name: 'target 50%', dials: { target: 0.5, shadow: 1, control }, until: 0.8 },
  { name: 'target 100%', dials: { target: 1, shadow: 0, control: 0 }, until: 1 },
]

const BY = 'demo'

/** Sets the dials of both migrations, as `cutover flag set` does: the control share in the ledger, the rest in the flag. */
export async function turnDials(
  { name, dials }: Stage,
  how: { readonly config: typeof config; readonly ledger: Ledger; readonly writer: FlagWriter },
): Promise<void> {
  const { target, shadow } = dials
  for (const migration of MIGRATIONS) {
    const settings = resolveMigration(how.config, migration)
    const ledger = how.ledger.migration(migration, settings.ledger)
    const { controlShare } = await ledger.control()
    if (controlShare !== dials.control) {
      await ledger.setControlShare({ share: dials.control, by: BY, why: `stage ${name}` })
    }
    await how.writer.write(settings.flag, { target, shadow })
    const data = { target: formatShare(target), shadow: formatShare(shadow) }
    await ledger.audit({ by: BY, action: 'flag-set', why: `stage ${name}`, data })
  }
}
