// When may the file have changed? Its folder is watched, because a file that is replaced by rename leaves its watcher
// behind; a slow poll finds what no event told of (network folders, links, a folder that was replaced).
// Neither keeps the process alive.

import { type FSWatcher, watch } from 'node:fs'
import { basename, dirname } from 'node:path'

/** Events of one save come close together; reading between them would find half a file. */
const SETTLE_MS = 5
/** A file that is written without a pause is read in between all the same. */
const SETTLE_MAX_MS = 50

export interface FileWatchOptions {
  readonly path: string
  readonly pollMs: number
  /** Reads the file; answers whether it had changed. */
  readonly check: () => Promise<boolean>
  /** For what `check` throws, which it should not. */
  readonly onError: (error: unknown) => void
}

export class FileWatch {
  readonly #options: FileWatchOptions
  readonly #poll: NodeJS.Timeout
  #closed = false
  #watcher: FSWatcher | undefined
  #settling: { readonly since: number; readonly timer: NodeJS.Timeout } | undefined

  constructor(options: FileWatchOptions) {
    this.#options = options
    this.#watch()
    this.#poll = setInterval(() => this.#onPoll(), options.pollMs).unref()
  }

  close(): void {
    this.#closed = true
    clearInterval(this.#poll)
    clearTimeout(this.#settling?.timer)
    this.#watcher?.close()
  }

  #watch(): void {
    this.#watcher?.close()
    this.#watcher = undefined
    const name = basename(this.#options.path)
    try {
      const watcher = watch(dirname(this.#options.path), { persistent: false }, (_event, file) => {
        // `..data`: how a mounted Kubernetes volume replaces all its files at once.
        if (file === null || file === name || file === '..data') this.#onEvent()
      })
      watcher.on('error', () => this.#unwatch(watcher))
      this.#watcher = watcher
    } catch {
      // No such folder yet, or no watchers left on this machine: the poll goes on, and tries again.
    }
  }

  #unwatch(watcher: FSWatcher): void {
    watcher.close()
    if (this.#watcher === watcher) this.#watcher = undefined
  }

  #onEvent(): void {
    const now = performance.now()
    const since = this.#settling?.since ?? now
    clearTimeout(this.#settling?.timer)
    const wait = Math.max(0, Math.min(SETTLE_MS, since + SETTLE_MAX_MS - now))
    const timer = setTimeout(() => {
      this.#settling = undefined
      this.#options.check().catch(this.#options.onError)
    }, wait).unref()
    this.#settling = { since, timer }
  }

  #onPoll(): void {
    if (this.#watcher === undefined) this.#watch()
    this.#options.check().then((changed) => {
      // A change without an event: this watcher sees another folder than the path leads to by now.
      if (changed && this.#settling === undefined && !this.#closed) this.#watch()
    }, this.#options.onError)
  }
}
