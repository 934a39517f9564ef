// When may the file have changed? Its folder is watched, because a file that is replaced by rename leaves its watcher
// behind; a slow poll finds what no event told of (network folders, links, a folder that was replaced).
// Neither keeps the process alive.

import { type FSWatcher, watch } from 'node:fs'
import { basename, dirname } from 'node:path'

export interface FileWatchOptions {
  readonly path: string
  readonly pollMs: number
  /** Reads the file; answers whether it had changed. Called again while it reads, it reads once more. */
  readonly check: () => Promise<boolean>
  /** For what `check` throws, which it should not. */
  readonly onError: (error: unknown) => void
}

export class FileWatch {
  readonly #options: FileWatchOptions
  readonly #poll: NodeJS.Timeout
  #closed = false
  /** An event came since the last poll began. */
  #told = false
  #watcher: FSWatcher | undefined

  constructor(options: FileWatchOptions) {
    this.#options = options
    this.#watch()
    this.#poll = setInterval(() => this.#onPoll(), options.pollMs).unref()
  }

  close(): void {
    this.#closed = true
    clearInterval(this.#poll)
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
    this.#told = true
    this.#options.check().catch(this.#options.onError)
  }

  #onPoll(): void {
    if (this.#watcher === undefined) this.#watch()
    this.#told = false
    this.#options.check().then((changed) => {
      // A change without an event: this watcher sees another folder than the path leads to by now.
      if (changed && !this.#told && !this.#closed) this.#watch()
    }, this.#options.onError)
  }
}
