// Which jobs does a run of the demo have? The same arguments give the same jobs with the same ids in every process, so
// that a producer that died is followed by one that sends the same ones again.

import { multiply, readEmails } from '../input.ts'
import type { EmailJob } from '../types.ts'

export interface JobsOfRun {
  /** Folder of `.eml` files. */
  readonly input: string
  /** For each migration. */
  readonly jobs: number
  /** What the ids begin with. */
  readonly prefix: string
}

export function jobsOf({ input, jobs, prefix }: JobsOfRun): { readonly id: string; readonly email: EmailJob }[] {
  // Two jobs a mailbox: many keys to decide for, and each of them seen again later, on another stage.
  return multiply(readEmails(input), { jobs, prefix, mailboxes: Math.max(1, Math.ceil(jobs / 2)) })
}
