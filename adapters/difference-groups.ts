// How differences are grouped: one group for all positions of an array, the same in every ledger.

/** The path under which groups beyond the bound are counted together. */
export const REST = '…'

// `/attachments/0/name` → `/attachments/*/name`, so that lists of any length make one group.
export function groupPath(path: string): string {
  return path.replace(/\/\d+(?=\/|$)/g, '/*')
}
