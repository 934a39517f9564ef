// An environment in which the creation of a child process blocks: a library, preloaded into a worker, that sleeps before
// `exec`. Built when the demo starts, where there is a C compiler and the system is Linux.

import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

const SLEEPS_S = 600

const SOURCE = `// Sleeps in the child, between fork and exec: the parent waits for exec in a blocking read.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>
static void wait_here(void) {
  struct timespec t = { ${SLEEPS_S}, 0 };
  nanosleep(&t, 0);
}
int execve(const char *p, char *const a[], char *const e[]) {
  int (*f)(const char *, char *const *, char *const *) = dlsym(RTLD_NEXT, "execve");
  wait_here();
  return f(p, a, e);
}
int execvp(const char *p, char *const a[]) {
  int (*f)(const char *, char *const *) = dlsym(RTLD_NEXT, "execvp");
  wait_here();
  return f(p, a);
}
`

/** The library's path; undefined where it cannot be built. */
export function buildBlocker(folder: string): string | undefined {
  if (process.platform !== 'linux') return undefined
  const [source, library] = [join(folder, 'slow-exec.c'), join(folder, 'slow-exec.so')] as const
  writeFileSync(source, SOURCE)
  const built = spawnSync('cc', ['-shared', '-fPIC', '-o', library, source, '-ldl'], { stdio: 'ignore' })
  return built.status === 0 ? library : undefined
}
