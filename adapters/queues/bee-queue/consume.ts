// One worker of our own on a bee-queue: an instance for itself, because `process` can be called once and only closing
// the instance ends it.

import type { ConsumeOptions, Consumer, Delivery, Disposition } from '../../../src/ports/queue.ts'
import { cleanError, settles } from '../../queue-support.ts'
import {
  type BeeClass,
  type BeeInstance,
  type BeeJob,
  disconnect,
  openInstance,
  type Patience,
  redisSettings,
  reloadScripts,
} from './library.ts'
import { BeeDelivery, type Settler, settle } from './settle.ts'

/** Longer than any job; closing itself is bounded by `stop`, which can be called again. */
const NEVER_MS = 2_147_483_647

export interface WorkerPlan {
  readonly Class: BeeClass
  readonly name: string
  readonly prefix: string
  readonly redis: unknown
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
  const patience: Patience = { over: false }
  const settings = {
    prefix: plan.prefix,
    redis: redisSettings(plan.redis, patience),
    stallInterval: plan.stallInterval,
    activateDelayedJobs: true,
    delayedDebounce: 100,
    initialRedisFailureRetryDelay: 100,
    removeOnSuccess: true,
    getEvents: false,
    storeJobs: false,
  }
  const worker = await openInstance(plan.Class, plan.name, settings, { onError, patience })
  const running = new Set<(error: Error) => void>()
  worker.process(options.concurrency, (job) => {
    const delivery = new BeeDelivery(job)
    return new Promise((resolve, reject) => {
      running.add(reject)
      deliver(delivery)
        .then((disposition) => settle(delivery, disposition, plan.settler))
        .then(resolve, reject)
        .finally(() => running.delete(reject))
    })
  })
  worker.checkStalledJobs(Math.ceil(plan.stallInterval / 2)).catch(onError)
  const recover = (): void => {
    reloadScripts(plan.Class, worker).then(() => worker._activateDelayed(), onError)
  }
  worker.client?.on('ready', recover)
  return consumerOf(worker, { running, patience, recover })
}

function consumerOf(
  worker: BeeInstance,
  own: { running: Set<(error: Error) => void>; patience: Patience; recover: () => void },
): BeeConsumer {
  let closed: Promise<void> | undefined
  const close = (): Promise<void> => {
    worker.client?.off('ready', own.recover)
    closed ??= worker.close(NEVER_MS).finally(() => {
      own.patience.over = true
    })
    return closed
  }
  return {
    stop: ({ timeoutMs }) => settles(close(), timeoutMs),
    abandon: async () => {
      const closing = close()
      if (own.running.size > 0) {
        // So that nothing is written for what is given up here: bee-queue would store each as a failed attempt.
        worker._isClosed = true
        for (const give of own.running) give(new Error('the queue was closed while the job ran; it will run again'))
      }
      own.patience.over = true
      if (await settles(closing, 2_000)) return
      disconnect(worker.bclient)
      disconnect(worker.eclient)
      if (worker.settings.quitCommandClient === true) disconnect(worker.client)
    },
  }
}
