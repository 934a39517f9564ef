// The application's own cutover, opened the same way by every process of it.

import { type OpenOptions, openCutover } from '../../src/index.ts'
import config from './cutover.config.ts'

export const openEmailAgent = (options: OpenOptions = {}) => openCutover(config, { sweepEvery: '1s', ...options })

export type EmailAgent = Awaited<ReturnType<typeof openEmailAgent>>
