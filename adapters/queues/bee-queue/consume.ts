// One worker of our own on a bee-queue: an instance for itself, because `process` can be called once and only closing
// the instance ends it.

import { Bag } from '../../../src/ports/bag.ts'
import type { ConsumeOptions, Consumer, Delivery, Disposition } from '../../../src/ports/queue.ts'
import { gatherWrites } from '../../gathered-writes.ts'
import { cleanError, settles } from '../../queue-support.ts'
import { connected, disconnect, patientCopy } from './client.ts'
import { type BeeClass, type BeeClient, type BeeInstance, type BeeJob, openInstance, reloadScripts } from './library.ts'
import { BeeDelivery, type Settler, settle } from './settle.ts'

/** Longer than any job; closing itself is bounded by `stop`, which can be called again. */
const NEVER_MS = 2_147_483_647

export interface WorkerPlan {
  readonly Class: BeeClass
  readonly name: string
  readonly prefix: string
  /** The queue's own connection: the worker makes its copies of it. */
  readonly client: BeeClient
  readonly stallInterval: number
  readonly settler: Settler
}

export interface BeeConsumer extends Consumer {
  /** Gives up what still runs: its jobs stall and are handed out again. */
  abandon(): Promise<void>
}

export async function consume(
  plan: WorkerPlan,
  deliver: (delivery: Delivery<BeeJob>) => Promise<Disposition>,
  options: ConsumeOptions,
): Promise<BeeConsumer> {
  const onError = (error: unknown): void => options.onError(cleanError(error))
  const client = patientCopy(plan.client)
  let worker: BeeInstance
  try {
    await connected(client, plan.name)
    worker = await openInstance(plan.Class, plan.name, client, {
      prefix: plan.prefix,
      stallInterval: plan.stallInterval,
      activateDelayedJobs: true,
      delayedDebounce: 100,
      initialRedisFailureRetryDelay: 100,
      removeOnSuccess: true,
      getEvents: false,
      storeJobs: false,
      onError,
    })
  } catch (error) {
    disconnect(client)
    throw error
  }
  gatherWrites(client)
  gatherWrites(worker.bclient)
  // `process` begins with such a check, and would never take a job where the server is lost at that moment.
  const check = worker._doStalledJobCheck.bind(worker)
  worker._doStalledJobCheck = () =>
    check().catch((error: unknown) => {
      onError(error)
      return 0
    })
  const running = new Bag<(error: Error) => void>()
  worker.process(options.concurrency, (job) => {
    const delivery = new BeeDelivery(job)
    return new Promise((resolve, reject) => {
      const slot = running.add(reject)
      deliver(delivery)
        .then((disposition) => settle(delivery, disposition, plan.settler))
        .then(resolve, reject)
        .finally(() => running.take(slot))
    })
  })
  worker.checkStalledJobs(Math.ceil(plan.stallInterval / 2)).catch(onError)
  const recover = (): void => {
    reloadScripts(plan.Class, worker).then(() => worker._activateDelayed(), onError)
  }
  client.on('ready', recover)
  return consumerOf(worker, client, running)
}

function consumerOf(worker: BeeInstance, client: BeeClient, running: Bag<(error: Error) => void>): BeeConsumer {
  let closed: Promise<void> | undefined
  const close = (): Promise<void> => {
    closed ??= worker.close(NEVER_MS).finally(() => disconnect(client))
    return closed
  }
  return {
    stop: ({ timeoutMs }) => settles(close(), timeoutMs),
    abandon: async () => {
      const closing = close()
      if (running.size > 0) {
        // So that nothing is written for what is given up here: bee-queue would store each as a failed attempt.
        worker._isClosed = true
        for (const give of running.all()) give(new Error('the queue was closed while the job ran; it will run again'))
      }
      if (await settles(closing, 2_000)) return
      for (const one of [worker.bclient, worker.eclient, client]) disconnect(one)
    },
  }
}
