// The contract of the ledger port: what every ledger adapter must do, in one suite that each hands a store to.
//
// It sees the port only. Times are the ledger's own, so instead of waiting the jobs of a test are due in the past; a
// lease of 0 ms is over at once.

import { afterAll, afterEach, beforeAll, beforeEach, describe } from 'vitest'
import { type LedgerBed, type LedgerBench, openBench } from './ledger/bed.ts'
import { controlContract } from './ledger/control.ts'
import { differenceContract } from './ledger/differences.ts'
import { driveContract } from './ledger/drive.ts'
import { errorClassContract } from './ledger/error-classes.ts'
import { gateCountsContract } from './ledger/gate-counts.ts'
import { moveContract } from './ledger/moves.ts'
import { pairContract } from './ledger/pairs.ts'
import { presenceContract } from './ledger/presence.ts'
import { probeContract } from './ledger/probes.ts'
import { quietContract } from './ledger/quiet.ts'
import { randomContract } from './ledger/random.ts'
import { rowContract } from './ledger/rows.ts'
import { scheduleContract } from './ledger/schedules.ts'
import { settledContract } from './ledger/settled.ts'
import { storeContract } from './ledger/store.ts'
import { tallyContract } from './ledger/tallies.ts'

export type { LedgerBed } from './ledger/bed.ts'

export interface LedgerContractOptions {
  readonly name: string
  /** Starts the store (a server, a folder); all ledgers of one bed share it. */
  readonly create: () => Promise<LedgerBed>
}

export function ledgerContract({ name, create }: LedgerContractOptions): void {
  describe(`ledger contract: ${name}`, () => {
    let bed: LedgerBed
    let current: LedgerBench
    const bench = (): LedgerBench => current
    beforeAll(async () => {
      bed = await create()
    })
    afterAll(() => bed?.stop())
    beforeEach(async () => {
      current = await openBench(bed)
    })
    afterEach(() => current?.close())

    describe('rows', () => rowContract(bench))
    describe('moves', () => moveContract(bench))
    describe('pairs', () => pairContract(bench))
    describe('differences', () => differenceContract(bench))
    describe('tallies', () => tallyContract(bench))
    describe('error classes', () => errorClassContract(bench))
    describe('gate counts', () => gateCountsContract(bench))
    describe('control', () => controlContract(bench))
    describe('drive', () => driveContract(bench))
    describe('presence, leases, audit', () => presenceContract(bench))
    describe('settled rows', () => settledContract(bench))
    describe('drain', () => quietContract(bench))
    describe('schedules', () => scheduleContract(bench))
    describe('probes', () => probeContract(bench))
    describe('store', () => storeContract(bench))
    describe('random sequences', () => randomContract(bench))
  })
}
