// Who is this, for the audit log, where nobody said so?

import { hostname, userInfo } from 'node:os'

/** `user@host`; a container may run as a user that has no name, then its number. */
export function userAtHost(): string {
  return `${userName()}@${hostname()}`
}

function userName(): string {
  try {
    return userInfo().username
  } catch {
    return `uid-${process.getuid?.() ?? 'unknown'}`
  }
}
