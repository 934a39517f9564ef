// Where the flag is, in what `init` writes: its part of the configuration, a file where it is kept in one, and what people
// have to do for it.

import type { FlagKind, Names } from './names.ts'

/** In a package that has this the flag is there, unless `--flags` says otherwise. */
export const FLAGS_BY_LIBRARY: Readonly<Record<string, FlagKind>> = {
  'unleash-client': 'unleash',
  '@openfeature/flagd-provider': 'openfeature',
}

/** Besides cutover itself, which brings what the file and Unleash need. */
export const FLAG_LIBRARIES: Readonly<Record<FlagKind, readonly string[]>> = {
  file: [],
  unleash: [],
  openfeature: ['@openfeature/server-sdk', '@openfeature/core', '@openfeature/flagd-provider'],
}

const FLAGD_FILE = 'cutover.flagd.json'

/** Lines of the configuration. The provider of a vendor stands before cutover's own modules. */
export function flagsImports({ flags }: Names): readonly string[] {
  if (flags === 'file') return [`import { fileFlags } from 'cutover/flags/file'`]
  if (flags === 'unleash') return [`import { unleashFlags } from 'cutover/flags/unleash'`]
  return [
    `import { openFeatureFlags } from 'cutover/flags/openfeature'`,
    `import { FlagdProvider } from '@openfeature/flagd-provider'`,
  ]
}

export function flagsOption({ name, flags }: Names): readonly string[] {
  if (flags === 'file') {
    return [`// cutover.flags.yaml; turned with: npx cutover flag set ${name} --target 10%`, `flags: fileFlags(),`]
  }
  if (flags === 'openfeature') {
    return [
      `// any provider of OpenFeature; here flagd's own evaluation of ${FLAGD_FILE}, without a server`,
      `flags: openFeatureFlags({`,
      `  provider: () => new FlagdProvider({ resolverType: 'in-process', offlineFlagSourcePath: '${FLAGD_FILE}' }),`,
      `}),`,
    ]
  }
  return [
    `// made with: npx cutover flag create ${name}; turned in Unleash, or with: npx cutover flag set ${name} --target 10%`,
    `flags: unleashFlags({`,
    `  url: process.env['UNLEASH_URL'] ?? 'http://127.0.0.1:4242',`,
    `  // a backend token of the environment whose flags are obeyed`,
    `  token: { env: 'UNLEASH_TOKEN' },`,
    `  // for people and the controller, who write; producers and workers need no such token`,
    `  admin: {`,
    `    token: { env: 'UNLEASH_ADMIN_TOKEN' },`,
    `    project: 'default',`,
    `    environment: process.env['UNLEASH_ENVIRONMENT'] ?? 'development',`,
    `  },`,
    `}),`,
  ]
}

/** The file in which the flag is, both dials at 0; none where a server has it. */
export async function flagsFile({ name, flags }: Names): Promise<Readonly<Record<string, string>>> {
  if (flags === 'unleash') return {}
  if (flags === 'file') return { 'cutover.flags.yaml': yaml(name) }
  const { flagdFlag } = await import('../../../adapters/flags/openfeature/words.ts')
  const document = { flags: { [name]: flagdFlag({ target: 0, shadow: 0 }) } }
  return { [FLAGD_FILE]: `${JSON.stringify(document, undefined, 2)}\n` }
}

function yaml(name: string): string {
  return `# Share of keys on target, and share that also gets a shadow on the other side.
# Turned with: npx cutover flag set ${name} --target 10% --shadow 100%
${name}: { target: 0%, shadow: 0% }
`
}

export interface FlagSteps {
  /** Before anything is run. */
  readonly first: readonly string[]
  /** When jobs are made. */
  readonly drive: string
}

/** What is to do beside the steps that every migration has. */
export function flagSteps({ name, flags }: Names): FlagSteps {
  const drive = `npx cutover drive ${name}, and beside it: npx cutover status ${name} --watch`
  if (flags === 'file') return { first: [], drive }
  if (flags === 'unleash') {
    return {
      first: [
        `in Unleash, Admin settings → API access: make a backend token of the environment, and one for the Admin API`,
        `export UNLEASH_URL=… UNLEASH_TOKEN=… where jobs are made and done; UNLEASH_ADMIN_TOKEN=… and UNLEASH_ENVIRONMENT=… (default development) where the flag is turned`,
        `npx cutover flag create ${name}`,
      ],
      drive,
    }
  }
  return {
    first: [
      `put your vendor's provider in place of flagd's into the configuration, or leave ${FLAGD_FILE} to begin with`,
    ],
    drive: `npx cutover flag set ${name} --target 10% says what to set with your vendor and waits for it; npx cutover status ${name} --watch`,
  }
}
